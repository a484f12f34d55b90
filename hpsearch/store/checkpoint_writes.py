"""Checkpoints of several trials that are stored together, and their predictions.

A row exists only for a whole artifact. A trial retains its best checkpoint, its last one, those
with a reason and those that are pinned; a new checkpoint removes those that it replaces.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from hpsearch.spec.wire.multipart import CheckpointPart
from hpsearch.spec.wire.records import Checkpoint
from hpsearch.store.checkpoints import StoredArtifact, keys_of, record_of
from hpsearch.store.database import now
from hpsearch.store.tables import CheckpointRow, TrialRow


class CheckpointWriter:
    """Adds to the checkpoints of some trials, which it locks.

    Args:
        session: the transaction.
        trial_ids: the trials whose checkpoints may be added to.
    """

    def __init__(self, session: Session, trial_ids: Collection[int]) -> None:
        self._session = session
        self._at = now(session)
        self._rows: dict[int, dict[int, CheckpointRow]] = {trial: {} for trial in trial_ids}
        for row in session.scalars(
            select(CheckpointRow)
            .where(CheckpointRow.trial_id.in_(trial_ids))
            .order_by(CheckpointRow.trial_id, CheckpointRow.epoch)
            .with_for_update()
        ):
            self._rows[row.trial_id][row.epoch] = row
        named = select(TrialRow.id, TrialRow.study_id, TrialRow.number)
        self._names = {
            trial: (study, number)
            for trial, study, number in session.execute(named.where(TrialRow.id.in_(trial_ids)))
        }
        self._written: list[CheckpointRow] = []
        self._removed: set[tuple[int, int]] = set()
        """(trial, epoch) of rows whose removal may not be flushed yet."""
        self._replaced_keys: set[str] = set()

    @property
    def unneeded(self) -> list[str]:
        """Keys of the artifacts that nothing needs any more."""
        referenced = {
            key for rows in self._rows.values() for row in rows.values() for key in keys_of(row)
        }
        return sorted(self._replaced_keys - referenced)

    def put(
        self,
        trial_id: int,
        part: CheckpointPart,
        artifact: StoredArtifact,
        recent_limit: int | None,
    ) -> None:
        """Makes a checkpoint visible, and removes those of its trial that nothing retains any more.

        Args:
            trial_id: whose state it is.
            part: how the checkpoint was sent.
            artifact: where it lies.
            recent_limit: how many of the trial's checkpoints may have the reason `recent`, the
                latest ones; none to leave these as they are.
        """
        rows = self._rows[trial_id]
        row = rows.get(part.epoch) or self._add(trial_id, part.epoch)
        self._set_artifact(row, part.attempt, artifact)
        row.reasons = sorted({*row.reasons, *part.reasons})
        if recent_limit is not None:
            _drop_older_recent(rows, recent_limit)
        _move_marks(rows.values(), row, best=part.best, last=part.last)
        for other in list(rows.values()):
            if other is not row and not _is_retained(other):
                self._remove(other)
        self._written.append(row)

    def put_predictions(self, trial_id: int, epoch: int, artifact: StoredArtifact) -> None:
        """Adds the predictions of a checkpoint, unless the checkpoint was removed meanwhile."""
        row = self._rows[trial_id].get(epoch)
        if row is None:
            self._replaced_keys.add(artifact.key)
            return
        if row.predictions not in (None, artifact.key):
            self._replaced_keys.add(row.predictions)
        row.predictions, row.predictions_bytes = artifact.key, artifact.size_bytes
        row.predictions_sha256 = artifact.sha256
        self._written.append(row)

    def records(self) -> list[Checkpoint]:
        """The checkpoints that were put or given predictions and are still there, in that order."""
        self._session.flush()
        present = dict.fromkeys(
            row for row in self._written if self._rows[row.trial_id].get(row.epoch) is row
        )
        return [record_of(row, *self._names[row.trial_id]) for row in present]

    def _set_artifact(self, row: CheckpointRow, attempt: int, artifact: StoredArtifact) -> None:
        """Points a row at a new artifact; predictions of other content go."""
        if row.artifact not in (None, artifact.key):
            self._replaced_keys.add(row.artifact)
        if row.sha256 != artifact.sha256 and row.predictions is not None:
            self._replaced_keys.add(row.predictions)
            row.predictions, row.predictions_sha256, row.predictions_bytes = None, None, 0
        row.artifact, row.sha256 = artifact.key, artifact.sha256
        row.size_bytes, row.attempt = artifact.size_bytes, attempt

    def _add(self, trial_id: int, epoch: int) -> CheckpointRow:
        if (trial_id, epoch) in self._removed:
            self._session.flush()  # an insert would come before the delete
        row = CheckpointRow(
            trial_id=trial_id, epoch=epoch, best=False, last=False, reasons=[], pinned=False,
            predictions_bytes=0, created_at=self._at,
        )  # fmt: skip
        self._session.add(row)
        self._rows[trial_id][epoch] = row
        return row

    def _remove(self, row: CheckpointRow) -> None:
        self._replaced_keys.update(keys_of(row))
        del self._rows[row.trial_id][row.epoch]
        self._removed.add((row.trial_id, row.epoch))
        if row in self._session.new:
            self._session.expunge(row)
        else:
            self._session.delete(row)


def _move_marks(
    rows: Collection[CheckpointRow], row: CheckpointRow, *, best: bool, last: bool
) -> None:
    """Moves the marks `best` and `last` of a trial to a row that was sent with them.

    An attempt's marks only ever move to later epochs: what was sent before a later one and arrives
    after it takes nothing away.
    """
    later = [other for other in rows if other.attempt == row.attempt and other.epoch > row.epoch]
    moves_best = best and not any(other.best for other in later)
    moves_last = last and not any(other.last for other in later)
    for other in rows:
        if moves_best:
            other.best = other is row
        if moves_last:
            other.last = other is row


def _is_retained(row: CheckpointRow) -> bool:
    return bool(row.best or row.last or row.reasons or row.pinned)


def _drop_older_recent(rows: Mapping[int, CheckpointRow], limit: int) -> None:
    """Takes the reason `recent` from all but the latest so many."""
    recent = sorted(epoch for epoch, row in rows.items() if "recent" in row.reasons)
    for epoch in recent[: max(0, len(recent) - limit)]:
        rows[epoch].reasons = [reason for reason in rows[epoch].reasons if reason != "recent"]
