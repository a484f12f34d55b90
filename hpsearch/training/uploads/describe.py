"""What the server says of an upload once it has read it."""

from __future__ import annotations

import numpy as np

from hpsearch.spec.wire.datasets import DatasetInfo
from hpsearch.spec.wire.upload import ColumnInfo
from hpsearch.training.uploads.table import SPLIT_NAMES, Table, Values


def describe(name: str, table: Table) -> DatasetInfo:
    """Shape, target and columns."""
    classes = len(table.classes)
    return DatasetInfo(
        name=name,
        rows=len(table.x),
        features=table.x.shape[1:],
        target="classes" if classes else "numbers",
        classes=classes,
        class_names=table.classes,
        class_rows=tuple(np.bincount(table.y, minlength=classes).tolist()) if classes else (),
        columns=tuple(_column(found, feature) for found, feature in table.all_columns()),
    )


def _column(found: Values, feature: bool) -> ColumnInfo:
    there = found.values[~found.missing]
    names = found.column.categories
    parts: dict[str, int] = {}
    if names and set(names) <= set(SPLIT_NAMES):
        counts = np.bincount(there.astype(np.int64), minlength=len(names)).tolist()
        parts = dict(zip(names, counts, strict=True))
    return ColumnInfo(
        name=found.column.name,
        kind=found.column.kind,
        feature=feature,
        missing=int(found.missing.sum()),
        distinct=len(np.unique(there)),
        parts=parts,
    )
