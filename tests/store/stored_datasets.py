"""Records of an uploaded data set, and adding one as the server does."""

from __future__ import annotations

from typing import Any

from rig import Rig

from hpsearch.spec.wire.datasets import Dataset
from hpsearch.spec.wire.upload import ColumnInfo, ColumnReading
from hpsearch.store import datasets
from hpsearch.store.checkpoints import StoredArtifact

SHA = "a" * 64


def a_column(name: str, kind: Any, **fields: Any) -> ColumnInfo:
    known = {"role": "ignored", "reading": ColumnReading(kind=kind)}
    return ColumnInfo(name=name, kind=kind, **{**known, **fields})


def a_dataset(name: str = "mine", **fields: Any) -> Dataset:
    known: dict[str, Any] = {
        "name": name, "rows": 100, "features": (2,), "target": "classes", "classes": 2,
        "class_names": ("no", "yes"), "class_rows": (60, 40), "sha256": SHA, "size_bytes": 3 << 31,
        "format": "csv", "target_column": "y", "uses": {"id": "ignore"},
        "columns": (
            a_column("a", "number", role="feature", distinct=90),
            a_column("b", "category", role="feature", missing=3, distinct=4),
            a_column("who", "category", distinct=20),
            a_column("few", "category", distinct=2),
            a_column("day", "date", distinct=30),
            a_column("part", "category", parts={"train": 80, "test": 20}),
            a_column("most", "category", parts={"train": 100}),
            a_column("held", "category", parts={"test": 100}),
            a_column("y", "category", role="target", distinct=2),
        ),
    }  # fmt: skip
    return Dataset(**{**known, **fields})


def an_artifact(sha256: str = SHA) -> StoredArtifact:
    return StoredArtifact(f"datasets/{sha256}", 3 << 31, sha256)


def add(
    rig: Rig, name: str = "mine", *, replace: bool = False, **fields: Any
) -> tuple[Dataset, bool]:
    dataset = a_dataset(name, **fields)
    artifact = an_artifact(dataset.sha256)
    return rig.do(lambda session: datasets.add(session, dataset, artifact, replace=replace))
