"""Uploaded data sets: under each name one or several versions, counted from 1.

Files are named by their content, so two data sets may share one. A version's number is given once:
studies name it, and what they were trained on is never another file.

Whoever adds or removes a data set holds `lock`: no file can then be removed between the check that
it is there and the row that refers to it, and no two versions get one number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.orm import Session

from hpsearch.errors import Conflict, NotFound
from hpsearch.spec.language.messages import format_value
from hpsearch.spec.language.states import StudyState, is_final
from hpsearch.spec.wire.datasets import BUILT_IN, Dataset
from hpsearch.spec.wire.upload import DATASET_NAME
from hpsearch.store.checkpoints import StoredArtifact
from hpsearch.store.database import now
from hpsearch.store.old_datasets import with_target_column
from hpsearch.store.tables import DatasetRow, StudyRow
from hpsearch.store.timestamps import as_datetime

_LOCK = 0x68706473
"""Key of the PostgreSQL advisory lock on the files; SQLite has one writer anyway."""

_OPEN = [state for state in StudyState if not is_final(state)]


def lock(session: Session) -> None:
    """Waits until nobody else adds or removes files, and keeps others out until the commit."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(_LOCK)))


def add(
    session: Session, dataset: Dataset, artifact: StoredArtifact, *, replace: bool = False
) -> tuple[Dataset, bool]:
    """Adds a data set; returns it, and whether it is new.

    Args:
        session: the transaction; it holds `lock` from here on.
        dataset: what it holds; its version is given here.
        artifact: its file.
        replace: whether another one of its name becomes an earlier version of it.

    Raises:
        Conflict: when another one has its name, and it is not to replace that.
    """
    lock(session)
    versions = _versions(session, dataset.name)
    version = _next_version(session, dataset.name, versions)
    if versions:
        newest = _record(session.get_one(DatasetRow, (dataset.name, versions[-1])), versions)
        same = _content(newest) == _content(dataset)
        if same and not (replace and newest.columns != dataset.columns):  # else it is read anew
            return newest, False
        if not replace:
            raise Conflict(
                f"a data set's name must be its own, and {dataset.name} is another one "
                f"(version {newest.version}, sha256 {newest.sha256[:12]}…, target "
                f"{newest.target_column}); choose another name, or send it with replace=true: it "
                f"becomes version {version}, and studies go on with the one they have"
            )
    row = DatasetRow(
        name=dataset.name,
        version=version,
        sha256=artifact.sha256,
        size_bytes=artifact.size_bytes,
        artifact=artifact.key,
        info=dataset.model_dump(mode="json", exclude={"version", "versions", "created_at"}),
        created_at=now(session),
    )
    session.add(row)
    session.flush()
    return _record(row, [*versions, version]), True


def find(
    session: Session, name: str, version: int | None = None, *, lock: bool = False
) -> Dataset | None:
    """A data set by its name and version; None where there is none.

    Args:
        session: the transaction.
        name: whatever a person calls it.
        version: None for the newest.
        lock: keeps it from being removed until the transaction ends.
    """
    versions = _versions(session, name)
    wanted = [known for known in versions if version in (None, known)]
    if not wanted:
        return None
    row = session.get(
        DatasetRow,
        (name, wanted[-1]),
        with_for_update={"read": True} if lock else None,
        populate_existing=True,
    )
    if row is None:  # removed while its lock was waited for
        return find(session, name, version, lock=lock)
    return _record(row, versions)


def get(session: Session, name: str, version: int | None = None) -> tuple[Dataset, StoredArtifact]:
    """A data set, in a version or the newest one, and its artifact.

    Raises:
        NotFound: when none has this name and version.
    """
    versions = _versions(session, name)
    row = session.get(DatasetRow, (name, _chosen(session, name, version, versions)[-1]))
    if row is None:  # removed between the two questions
        return get(session, name, version)
    return _record(row, versions), _artifact(row)


def list_all(session: Session) -> list[Dataset]:
    """The newest versions of all uploaded data sets by name."""
    keys = session.execute(
        select(DatasetRow.name, DatasetRow.version).order_by(DatasetRow.name, DatasetRow.version)
    ).all()
    versions: dict[str, list[int]] = {}
    for name, version in keys:
        versions.setdefault(name, []).append(version)
    newest = (
        select(DatasetRow.name, func.max(DatasetRow.version).label("version"))
        .group_by(DatasetRow.name)
        .subquery()
    )
    rows = session.scalars(
        select(DatasetRow)
        .join(
            newest,
            (DatasetRow.name == newest.c.name) & (DatasetRow.version == newest.c.version),
        )
        .order_by(DatasetRow.name)
    )
    return [_record(row, versions[row.name]) for row in rows]


def names(session: Session) -> Sequence[str]:
    """Names of all uploaded data sets."""
    return session.scalars(select(DatasetRow.name).distinct().order_by(DatasetRow.name)).all()


def remove(session: Session, name: str, version: int | None = None) -> list[StoredArtifact]:
    """Removes a version of a data set, None for all of them.

    Returns:
        Their artifacts, which other data sets may still refer to.

    Raises:
        NotFound: when none has this name and version.
        Conflict: when a study that is not over trains on it.
    """
    lock(session)
    chosen = _chosen(session, name, version, _versions(session, name))
    rows = session.scalars(
        select(DatasetRow)
        .where(DatasetRow.name == name, DatasetRow.version.in_(chosen))
        .order_by(DatasetRow.version)
        .with_for_update()
    ).all()
    used = session.scalars(
        select(StudyRow.id)
        .where(StudyRow.state.in_(_OPEN), _trains_on(name, version))
        .order_by(StudyRow.id)
        .limit(1)
    ).one_or_none()
    if used is not None:
        what = name if version is None else f"version {version} of {name}"
        raise Conflict(
            f"a data set must not be in use to be removed, and study {used} trains on {what}; "
            "wait for it or stop it first"
        )
    artifacts = list({row.artifact: _artifact(row) for row in rows}.values())
    for row in rows:
        session.delete(row)
    session.flush()
    return artifacts


def is_referenced(session: Session, artifact: StoredArtifact) -> bool:
    """Whether a data set refers to the artifact."""
    found = select(DatasetRow.name).where(DatasetRow.artifact == artifact.key).limit(1)
    return session.scalar(found) is not None


def artifact_keys(session: Session) -> set[str]:
    """Every artifact key of a data set."""
    return set(session.scalars(select(DatasetRow.artifact)))


def _versions(session: Session, name: str) -> Sequence[int]:
    """The versions under a name, oldest first; none for what can be no name."""
    if not re.fullmatch(DATASET_NAME, name):
        return []
    found = select(DatasetRow.version).where(DatasetRow.name == name)
    return session.scalars(found.order_by(DatasetRow.version)).all()


def _chosen(
    session: Session, name: str, version: int | None, versions: Sequence[int]
) -> Sequence[int]:
    """Those of a name's versions that a person asked for, at least one."""
    chosen = [known for known in versions if version in (None, known)]
    if chosen:
        return chosen
    if versions:
        raise NotFound(
            f"a version must exist to be used, and data set {name} has no version {version}; "
            f"there are {format_versions(versions)}"
        )
    listed = ", ".join([*BUILT_IN, *names(session)])
    raise NotFound(
        f"a data set must exist to be used, and none is called {format_value(name)}; "
        f"there are {listed}"
    )


def format_versions(versions: Iterable[int]) -> str:
    """Versions as a sentence lists them: "1, 2, 5"."""
    return ", ".join(map(str, versions))


def _next_version(session: Session, name: str, versions: Sequence[int]) -> int:
    """A number that no file and no study has: a study names by it what it was trained on."""
    in_studies = session.scalar(
        select(func.max(StudyRow.spec["task"]["dataset_version"].as_integer())).where(
            StudyRow.spec["task"]["dataset"].as_string() == name
        )
    )
    return max([in_studies or 0, *versions]) + 1


def _trains_on(name: str, version: int | None) -> ColumnElement[bool]:
    """Of a study: whether its data set has this name and, unless it is None, this version."""
    task = StudyRow.spec["task"]
    conditions = [task["dataset"].as_string() == name]
    if version is not None:
        conditions.append(task["dataset_version"].as_integer() == version)
    return and_(*conditions)


def _content(dataset: Dataset) -> tuple[Any, ...]:
    """What a person uploaded; all else follows from it."""
    return dataset.sha256, dataset.format, dataset.target_column, dataset.uses


def _artifact(row: DatasetRow) -> StoredArtifact:
    return StoredArtifact(row.artifact, row.size_bytes, row.sha256)


def _record(row: DatasetRow, versions: Sequence[int]) -> Dataset:
    """The record of a version; `versions` are all of its name."""
    record = with_target_column(Dataset.model_validate(row.info))
    return record.model_copy(
        update={
            "version": row.version,
            "versions": tuple(versions),
            "created_at": as_datetime(row.created_at),
        }
    )
