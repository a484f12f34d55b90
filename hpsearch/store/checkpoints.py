"""Which artifact holds which state of a trial, and what that predicts.

A row exists only for a whole artifact.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, func, or_, select
from sqlalchemy.orm import Session

from hpsearch.errors import NotFound
from hpsearch.spec.checkpoints import Reason
from hpsearch.spec.records import Checkpoint
from hpsearch.spec.states import TrialReason, TrialState
from hpsearch.store.database import now
from hpsearch.store.tables import CheckpointRow, TrialRow
from hpsearch.store.timestamps import as_datetime


@dataclass(frozen=True)
class StoredArtifact:
    """A whole file in the artifact store."""

    key: str
    size_bytes: int
    sha256: str


def put(
    session: Session,
    trial_id: int,
    epoch: int,
    artifact: StoredArtifact,
    *,
    best: bool,
    last: bool,
    reasons: Collection[Reason] = (),
    recent: int | None = None,
) -> tuple[Checkpoint, list[str]]:
    """Makes a checkpoint visible; returns it with the artifacts that nothing needs any more.

    A trial keeps its best, its last, and those with a reason: whatever this one takes the place of
    goes.

    Args:
        session: the transaction.
        trial_id: whose state it is.
        epoch: after which.
        artifact: where it lies.
        best: it is the best one now.
        last: it is the last one now.
        reasons: why it is kept beside these.
        recent: how many with the reason `recent` are kept; none for all.
    """
    rows = {
        row.epoch: row
        for row in session.scalars(
            select(CheckpointRow).where(CheckpointRow.trial_id == trial_id).with_for_update()
        )
    }
    row = rows.get(epoch)
    unneeded: set[str] = set()
    if row is None:
        row = CheckpointRow(
            trial_id=trial_id, epoch=epoch, best=False, last=False, reasons=[], pinned=False,
            predictions_bytes=0, created_at=now(session),
        )  # fmt: skip
        session.add(row)
        rows[epoch] = row
    elif row.artifact != artifact.key:
        unneeded.add(row.artifact)
    if row.sha256 != artifact.sha256 and row.predictions is not None:
        unneeded.add(row.predictions)
        row.predictions, row.predictions_sha256, row.predictions_bytes = None, None, 0
    row.artifact, row.size_bytes, row.sha256 = artifact.key, artifact.size_bytes, artifact.sha256
    row.reasons = sorted({*row.reasons, *reasons})
    if recent is not None:
        _forget_older(rows, recent)
    for other in rows.values():
        other.best = other is row if best else other.best
        other.last = other is row if last else other.last
        is_kept = other.best or other.last or other.reasons or other.pinned
        if not is_kept and other is not row:
            unneeded.update(_keys(other))
            session.delete(other)
    session.flush()
    trial = session.get_one(TrialRow, trial_id)
    return _record(row, trial.study_id, trial.number), sorted(unneeded)


def _forget_older(rows: Mapping[int, CheckpointRow], count: int) -> None:
    """Takes the reason `recent` from all but the latest so many."""
    recent = sorted(epoch for epoch, row in rows.items() if "recent" in row.reasons)
    for epoch in recent[: max(0, len(recent) - count)]:
        rows[epoch].reasons = [reason for reason in rows[epoch].reasons if reason != "recent"]


def put_predictions(
    session: Session, trial_id: int, epoch: int, artifact: StoredArtifact
) -> tuple[Checkpoint | None, list[str]]:
    """Adds what a checkpoint predicts; none where the checkpoint is not kept any more.

    Returns it with the artifacts that nothing needs any more.
    """
    row = session.scalars(
        select(CheckpointRow)
        .where(CheckpointRow.trial_id == trial_id, CheckpointRow.epoch == epoch)
        .with_for_update()
    ).one_or_none()
    if row is None:
        return None, [artifact.key]
    unneeded = [row.predictions] if row.predictions not in (None, artifact.key) else []
    row.predictions, row.predictions_bytes = artifact.key, artifact.size_bytes
    row.predictions_sha256 = artifact.sha256
    trial = session.get_one(TrialRow, trial_id)
    return _record(row, trial.study_id, trial.number), [key for key in unneeded if key]


def pin(session: Session, checkpoint_id: int, *, pinned: bool) -> Checkpoint:
    """Keeps a checkpoint whatever the policy says, or lets it go its way again."""
    row = _row(session, checkpoint_id, lock=True)
    row.pinned = pinned
    trial = session.get_one(TrialRow, row.trial_id)
    return _record(row, trial.study_id, trial.number)


def remove(session: Session, checkpoint_ids: Collection[int]) -> list[str]:
    """Removes checkpoints, but for those pinned meanwhile; returns the keys of their artifacts."""
    keys: list[str] = []
    for row in session.scalars(
        select(CheckpointRow)
        .where(CheckpointRow.id.in_(checkpoint_ids), CheckpointRow.pinned.is_(False))
        .order_by(CheckpointRow.id)
        .with_for_update()
    ):
        keys += _keys(row)
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
    return [_record(row, trial.study_id, trial.number) for row in rows]


@dataclass(frozen=True)
class Held:
    """A checkpoint and what became of its trial."""

    checkpoint: Checkpoint
    state: TrialState
    reason: TrialReason | None
    value: float | None


def of_study(
    session: Session, study_id: int, trial_ids: Collection[int] | None = None
) -> list[Held]:
    """A study's checkpoints by trial and epoch; perhaps of some of its trials alone."""
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
        Held(
            _record(row, study_id, row.number),
            TrialState(row.state),
            TrialReason(row.reason) if row.reason else None,
            row.value,
        )
        for row in session.execute(query)
    ]


def get(session: Session, checkpoint_id: int) -> tuple[Checkpoint, StoredArtifact]:
    """A checkpoint and where it lies.

    Raises:
        NotFound: when there is none of this id.
    """
    row = _row(session, checkpoint_id)
    trial = session.get_one(TrialRow, row.trial_id)
    return _record(row, trial.study_id, trial.number), StoredArtifact(
        row.artifact, row.size_bytes, row.sha256
    )


def predictions_of(session: Session, checkpoint_id: int) -> StoredArtifact:
    """Where what a checkpoint predicts lies.

    Raises:
        NotFound: when there is no such checkpoint, or nothing is stored of what it predicts.
    """
    row = _row(session, checkpoint_id)
    if row.predictions is None:
        raise NotFound(
            f"predictions must have been stored to be read, and checkpoint {checkpoint_id} has "
            "none; make them from the checkpoint"
        )
    return StoredArtifact(row.predictions, row.predictions_bytes, row.predictions_sha256 or "")


def keys(session: Session, checkpoint_id: int) -> list[str]:
    """Keys of a checkpoint's artifacts."""
    return _keys(_row(session, checkpoint_id))


def is_kept(session: Session, artifact: StoredArtifact) -> bool:
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


def artifacts_of_study(session: Session, study_id: int) -> list[str]:
    """Every artifact key of a study's checkpoints."""
    found = session.execute(
        select(CheckpointRow.artifact, CheckpointRow.predictions)
        .join(TrialRow, TrialRow.id == CheckpointRow.trial_id)
        .where(TrialRow.study_id == study_id)
    )
    return [key for keys in found for key in keys if key is not None]


def artifacts(session: Session) -> set[str]:
    """Every artifact key that a checkpoint refers to."""
    found = session.execute(select(CheckpointRow.artifact, CheckpointRow.predictions))
    return {key for keys in found for key in keys if key is not None}


def sizes(session: Session, study_ids: Sequence[int]) -> dict[int, tuple[int, int]]:
    """Of some studies that have checkpoints: how many, and their size in bytes."""
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


def _keys(row: CheckpointRow) -> list[str]:
    return [row.artifact] + ([row.predictions] if row.predictions else [])


def _record(row: CheckpointRow | Row[*tuple[Any, ...]], study_id: int, number: int) -> Checkpoint:
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
