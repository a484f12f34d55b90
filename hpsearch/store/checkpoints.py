"""Which artifact holds which state of a trial. A row exists only for a whole artifact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from hpsearch.errors import NotFound
from hpsearch.spec.records import Checkpoint
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
    session: Session, trial_id: int, epoch: int, artifact: StoredArtifact, *, best: bool, last: bool
) -> tuple[Checkpoint, list[str]]:
    """Makes a checkpoint visible; returns it with the artifacts that nothing needs any more.

    A trial keeps its best and its last: whichever this one takes the place of goes.
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
            trial_id=trial_id, epoch=epoch, best=False, last=False, created_at=now(session)
        )
        session.add(row)
        rows[epoch] = row
    elif row.artifact != artifact.key:
        unneeded.add(row.artifact)
    row.artifact, row.size_bytes, row.sha256 = artifact.key, artifact.size_bytes, artifact.sha256
    for other in rows.values():
        other.best = other is row if best else other.best
        other.last = other is row if last else other.last
        if not other.best and not other.last and other is not row:
            unneeded.add(other.artifact)
            session.delete(other)
    session.flush()
    trial = session.get_one(TrialRow, trial_id)
    return _record(row, trial), sorted(unneeded)


def of_trial(session: Session, trial_id: int) -> list[Checkpoint]:
    """A trial's checkpoints by epoch."""
    trial = session.get_one(TrialRow, trial_id)
    rows = session.scalars(
        select(CheckpointRow)
        .where(CheckpointRow.trial_id == trial_id)
        .order_by(CheckpointRow.epoch)
    )
    return [_record(row, trial) for row in rows]


def get(session: Session, checkpoint_id: int) -> tuple[Checkpoint, StoredArtifact]:
    """A checkpoint and where it lies.

    Raises:
        NotFound: when there is none of this id.
    """
    row = session.get(CheckpointRow, checkpoint_id)
    if row is None:
        raise NotFound(
            f"a checkpoint must exist to be read, and none has id {checkpoint_id}; "
            "list the trial's checkpoints"
        )
    return _record(row, session.get_one(TrialRow, row.trial_id)), StoredArtifact(
        row.artifact, row.size_bytes, row.sha256
    )


def is_kept(session: Session, artifact: StoredArtifact) -> bool:
    """Whether a checkpoint refers to the artifact."""
    found = select(CheckpointRow.id).where(CheckpointRow.artifact == artifact.key).limit(1)
    return session.scalar(found) is not None


def artifacts_of_study(session: Session, study_id: int) -> Sequence[str]:
    """Every artifact key of a study."""
    return session.scalars(
        select(CheckpointRow.artifact)
        .join(TrialRow, TrialRow.id == CheckpointRow.trial_id)
        .where(TrialRow.study_id == study_id)
    ).all()


def _record(row: CheckpointRow, trial: TrialRow) -> Checkpoint:
    return Checkpoint(
        id=row.id,
        study_id=trial.study_id,
        trial=trial.number,
        epoch=row.epoch,
        best=row.best,
        last=row.last,
        size_bytes=row.size_bytes,
        sha256=row.sha256,
        created_at=as_datetime(row.created_at),
    )
