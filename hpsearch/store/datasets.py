"""Uploaded data sets. Files are named by their content, so two data sets may share one.

Whoever adds or removes a data set calls `lock` first: no file can then be removed between the check
that it is there and the row that refers to it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from hpsearch.errors import Conflict, NotFound
from hpsearch.spec.language.messages import format_value
from hpsearch.spec.language.states import StudyState, is_final
from hpsearch.spec.wire.datasets import BUILT_IN, Dataset
from hpsearch.spec.wire.upload import DATASET_NAME
from hpsearch.store.checkpoints import StoredArtifact
from hpsearch.store.database import now
from hpsearch.store.tables import DatasetRow, StudyRow
from hpsearch.store.timestamps import as_datetime

_LOCK = 0x68706473
"""Key of the PostgreSQL advisory lock on the files; SQLite has one writer anyway."""

_OPEN = [state for state in StudyState if not is_final(state)]


def lock(session: Session) -> None:
    """Waits until nobody else adds or removes files, and keeps others out until the commit."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(_LOCK)))


def add(session: Session, dataset: Dataset, artifact: StoredArtifact) -> tuple[Dataset, bool]:
    """Adds a data set; returns it, and whether it is new.

    Raises:
        Conflict: when another one has its name.
    """
    row = session.get(DatasetRow, dataset.name)
    if row is not None:
        known = _record(row)
        if _content(known) != _content(dataset):
            raise Conflict(
                f"a data set's name must be its own, and {dataset.name} is another one "
                f"(sha256 {known.sha256[:12]}…, target {known.target_column}); "
                "choose another name or remove that one first"
            )
        return known, False
    row = DatasetRow(
        name=dataset.name,
        sha256=artifact.sha256,
        size_bytes=artifact.size_bytes,
        artifact=artifact.key,
        info=dataset.model_dump(mode="json", exclude={"created_at"}),
        created_at=now(session),
    )
    session.add(row)
    session.flush()
    return _record(row), True


def find(session: Session, name: str, *, lock: bool = False) -> Dataset | None:
    """A data set by its name; `lock` keeps it from being removed until the transaction ends."""
    if not re.fullmatch(DATASET_NAME, name):
        return None
    row = session.get(DatasetRow, name, with_for_update={"read": True} if lock else None)
    return None if row is None else _record(row)


def get(session: Session, name: str) -> tuple[Dataset, StoredArtifact]:
    """A data set and its artifact.

    Raises:
        NotFound: when none has this name.
    """
    row = _row(session, name)
    return _record(row), _artifact(row)


def list_all(session: Session) -> list[Dataset]:
    """All uploaded data sets by name."""
    return [_record(row) for row in session.scalars(select(DatasetRow).order_by(DatasetRow.name))]


def names(session: Session) -> Sequence[str]:
    """Names of all uploaded data sets."""
    return session.scalars(select(DatasetRow.name).order_by(DatasetRow.name)).all()


def remove(session: Session, name: str) -> StoredArtifact:
    """Removes a data set, and returns its artifact, which another one may still refer to.

    Raises:
        NotFound: when none has this name.
        Conflict: when a study that is not over trains on it.
    """
    row = _row(session, name, lock=True)
    used = session.scalars(
        select(StudyRow.id)
        .where(StudyRow.state.in_(_OPEN), StudyRow.spec["task"]["dataset"].as_string() == name)
        .order_by(StudyRow.id)
        .limit(1)
    ).one_or_none()
    if used is not None:
        raise Conflict(
            f"a data set must not be in use to be removed, and study {used} trains on {name}; "
            "wait for it or stop it first"
        )
    artifact = _artifact(row)
    session.delete(row)
    session.flush()
    return artifact


def is_referenced(session: Session, artifact: StoredArtifact) -> bool:
    """Whether a data set refers to the artifact."""
    found = select(DatasetRow.name).where(DatasetRow.artifact == artifact.key).limit(1)
    return session.scalar(found) is not None


def artifact_keys(session: Session) -> set[str]:
    """Every artifact key of a data set."""
    return set(session.scalars(select(DatasetRow.artifact)))


def _row(session: Session, name: str, *, lock: bool = False) -> DatasetRow:
    row = None
    if re.fullmatch(DATASET_NAME, name):
        row = session.get(DatasetRow, name, with_for_update=lock or None)
    if row is None:
        listed = ", ".join([*BUILT_IN, *names(session)])
        raise NotFound(
            f"a data set must exist to be used, and none is called {format_value(name)}; "
            f"there are {listed}"
        )
    return row


def _content(dataset: Dataset) -> tuple[Any, ...]:
    """What a person uploaded; all else follows from it."""
    return dataset.sha256, dataset.format, dataset.target_column, dataset.uses


def _artifact(row: DatasetRow) -> StoredArtifact:
    return StoredArtifact(row.artifact, row.size_bytes, row.sha256)


def _record(row: DatasetRow) -> Dataset:
    record = Dataset.model_validate(row.info)
    return record.model_copy(update={"created_at": as_datetime(row.created_at)})
