"""Checkpoints: which artifact holds which state of a trial, and which holds its predictions.

A row exists only for a whole artifact.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import Row, func, or_, select
from sqlalchemy.orm import Session

from hpsearch.errors import NotFound
from hpsearch.spec.language.states import TrialReason, TrialState
from hpsearch.spec.wire.records import Checkpoint
from hpsearch.store.tables import CheckpointRow, TrialRow
from hpsearch.store.timestamps import as_datetime

BATCH_SIZE = 5000
"""Checkpoints that one statement names: databases limit the values of a statement."""


@dataclass(frozen=True)
class StoredArtifact:
    """A whole file in the artifact store."""

    key: str
    size_bytes: int
    sha256: str


def pin(session: Session, checkpoint_id: int, *, pinned: bool) -> Checkpoint:
    """Pins a checkpoint, so that it is retained whatever the policy says, or unpins it."""
    row = _row(session, checkpoint_id, lock=True)
    row.pinned = pinned
    trial = session.get_one(TrialRow, row.trial_id)
    return record_of(row, trial.study_id, trial.number)


def remove(session: Session, checkpoint_ids: Collection[int]) -> list[str]:
    """Removes checkpoints, except those pinned meanwhile; returns the keys of their artifacts."""
    keys: list[str] = []
    ids = iter(sorted(checkpoint_ids))
    while some := list(islice(ids, BATCH_SIZE)):
        for row in session.scalars(
            select(CheckpointRow)
            .where(CheckpointRow.id.in_(some), CheckpointRow.pinned.is_(False))
            .order_by(CheckpointRow.id)
            .with_for_update()
        ):
            keys += keys_of(row)
            session.delete(row)
    return keys


def of_trial(session: Session, trial_id: int) -> list[Checkpoint]:
    """A trial's checkpoints by epoch."""
    trial = session.get_one(TrialRow, trial_id)
    rows = session.scalars(
        select(CheckpointRow)
        .where(CheckpointRow.trial_id == trial_id)
        .order_by(CheckpointRow.epoch)
    )
    return [record_of(row, trial.study_id, trial.number) for row in rows]


@dataclass(frozen=True)
class TrialCheckpoint:
    """A checkpoint, with the state and value of its trial."""

    checkpoint: Checkpoint
    state: TrialState
    reason: TrialReason | None
    value: float | None


def of_study(
    session: Session, study_id: int, trial_ids: Collection[int] | None = None
) -> list[TrialCheckpoint]:
    """A study's checkpoints by trial and epoch; with `trial_ids` of these trials alone."""
    query = (
        select(
            *CheckpointRow.__table__.columns,  # tens of thousands: no object for each
            TrialRow.number,
            TrialRow.state,
            TrialRow.reason,
            TrialRow.value,
        )
        .join(TrialRow, TrialRow.id == CheckpointRow.trial_id)
        .where(TrialRow.study_id == study_id)
        .order_by(TrialRow.number, CheckpointRow.epoch)
    )
    if trial_ids is not None:
        query = query.where(TrialRow.id.in_(trial_ids))
    return [
        TrialCheckpoint(
            record_of(row, study_id, row.number),
            TrialState(row.state),
            TrialReason(row.reason) if row.reason else None,
            row.value,
        )
        for row in session.execute(query)
    ]


def get(session: Session, checkpoint_id: int) -> tuple[Checkpoint, StoredArtifact]:
    """A checkpoint and its artifact.

    Raises:
        NotFound: when there is none of this id.
    """
    row = _row(session, checkpoint_id)
    trial = session.get_one(TrialRow, row.trial_id)
    return record_of(row, trial.study_id, trial.number), StoredArtifact(
        row.artifact, row.size_bytes, row.sha256
    )


def predictions_of(session: Session, checkpoint_id: int) -> StoredArtifact:
    """The artifact of a checkpoint's predictions.

    Raises:
        NotFound: when there is no such checkpoint, or its predictions are not stored.
    """
    row = _row(session, checkpoint_id)
    if row.predictions is None:
        raise NotFound(
            f"predictions must have been stored to be read, and checkpoint {checkpoint_id} has "
            "none; make them from the checkpoint"
        )
    return StoredArtifact(row.predictions, row.predictions_bytes, row.predictions_sha256 or "")


def artifact_keys_of(session: Session, checkpoint_id: int) -> list[str]:
    """Keys of a checkpoint's artifacts."""
    return keys_of(_row(session, checkpoint_id))


def is_referenced(session: Session, artifact: StoredArtifact) -> bool:
    """Whether a checkpoint refers to the artifact."""
    found = (
        select(CheckpointRow.id)
        .where(
            or_(
                CheckpointRow.artifact == artifact.key,
                CheckpointRow.predictions == artifact.key,
            )
        )
        .limit(1)
    )
    return session.scalar(found) is not None


def artifact_keys_of_study(session: Session, study_id: int) -> list[str]:
    """Every artifact key of a study's checkpoints."""
    found = session.execute(
        select(CheckpointRow.artifact, CheckpointRow.predictions)
        .join(TrialRow, TrialRow.id == CheckpointRow.trial_id)
        .where(TrialRow.study_id == study_id)
    )
    return [key for keys in found for key in keys if key is not None]


def artifact_keys(session: Session) -> set[str]:
    """Every artifact key that a checkpoint refers to."""
    found = session.execute(select(CheckpointRow.artifact, CheckpointRow.predictions))
    return {key for keys in found for key in keys if key is not None}


def sizes(session: Session, study_ids: Sequence[int]) -> dict[int, tuple[int, int]]:
    """How many checkpoints each of some studies has, and their size in bytes, by study id.

    Studies without checkpoints are left out.
    """
    size = func.sum(CheckpointRow.size_bytes) + func.sum(CheckpointRow.predictions_bytes)
    found = session.execute(
        select(TrialRow.study_id, func.count(), size)
        .join(CheckpointRow, CheckpointRow.trial_id == TrialRow.id)
        .where(TrialRow.study_id.in_(study_ids))
        .group_by(TrialRow.study_id)
    )
    return {study: (count, int(total)) for study, count, total in found}


def _row(session: Session, checkpoint_id: int, *, lock: bool = False) -> CheckpointRow:
    row = session.get(
        CheckpointRow, checkpoint_id, with_for_update=lock or None, populate_existing=lock
    )
    if row is None:
        raise NotFound(
            f"a checkpoint must exist to be used, and none has id {checkpoint_id}; "
            "list the trial's checkpoints"
        )
    return row


def keys_of(row: CheckpointRow) -> list[str]:
    """Keys of a row's artifacts, for the store's own modules."""
    return [row.artifact] + ([row.predictions] if row.predictions else [])


def record_of(row: CheckpointRow | Row[*tuple[Any, ...]], study_id: int, number: int) -> Checkpoint:
    """The record of a row, for the store's own modules."""
    return Checkpoint(
        id=row.id,
        study_id=study_id,
        trial=number,
        epoch=row.epoch,
        best=row.best,
        last=row.last,
        reasons=tuple(row.reasons),
        pinned=row.pinned,
        size_bytes=row.size_bytes,
        sha256=row.sha256,
        predictions_bytes=row.predictions_bytes,
        predictions_sha256=row.predictions_sha256,
        created_at=as_datetime(row.created_at),
    )
