"""Checkpoints of several trials that arrive together, and what they predict.

A row exists only for a whole artifact. A trial keeps its best, its last, those with a reason and
those pinned: whatever a new one takes the place of goes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from hpsearch.spec.checkpoints import Reason
from hpsearch.spec.wire.records import Checkpoint
from hpsearch.store.checkpoints import StoredArtifact, keys_of, record_of
from hpsearch.store.database import now
from hpsearch.store.tables import CheckpointRow, TrialRow


class CheckpointWriter:
    """The checkpoints of some trials, locked while others join them.

    Args:
        session: the transaction.
        trial_ids: whose.
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
        self._came: list[CheckpointRow] = []
        self._left: set[tuple[int, int]] = set()
        self._replaced: set[str] = set()

    @property
    def unneeded(self) -> list[str]:
        """Keys of the artifacts that nothing needs any more."""
        kept = {
            key for rows in self._rows.values() for row in rows.values() for key in keys_of(row)
        }
        return sorted(self._replaced - kept)

    def put(
        self,
        trial_id: int,
        epoch: int,
        artifact: StoredArtifact,
        *,
        attempt: int,
        best: bool,
        last: bool,
        reasons: Collection[Reason] = (),
        recent: int | None = None,
    ) -> None:
        """Makes a checkpoint visible.

        An attempt's best and last epochs only ever move on: what was sent before a later one and
        comes after it takes nothing away.

        Args:
            trial_id: whose state it is.
            epoch: after which.
            artifact: where it lies.
            attempt: of the trial, that it comes from.
            best: it is the best one now.
            last: it is the last one now.
            reasons: why it is kept beside these.
            recent: how many with the reason `recent` are kept; none for all.
        """
        rows = self._rows[trial_id]
        row = rows.get(epoch) or self._added(trial_id, epoch)
        if row.artifact not in (None, artifact.key):
            self._replaced.add(row.artifact)
        if row.sha256 != artifact.sha256 and row.predictions is not None:
            self._replaced.add(row.predictions)
            row.predictions, row.predictions_sha256, row.predictions_bytes = None, None, 0
        row.artifact, row.sha256 = artifact.key, artifact.sha256
        row.size_bytes, row.attempt = artifact.size_bytes, attempt
        row.reasons = sorted({*row.reasons, *reasons})
        if recent is not None:
            _drop_older_recent(rows, recent)
        later = [
            other for other in rows.values() if other.attempt == attempt and other.epoch > epoch
        ]
        best = best and not any(other.best for other in later)
        last = last and not any(other.last for other in later)
        for other in list(rows.values()):
            other.best = other is row if best else other.best
            other.last = other is row if last else other.last
            is_kept = other.best or other.last or other.reasons or other.pinned
            if not is_kept and other is not row:
                self._remove(other)
        self._came.append(row)

    def put_predictions(self, trial_id: int, epoch: int, artifact: StoredArtifact) -> None:
        """Adds what a checkpoint predicts, unless the checkpoint is not kept any more."""
        row = self._rows[trial_id].get(epoch)
        if row is None:
            self._replaced.add(artifact.key)
            return
        if row.predictions not in (None, artifact.key):
            self._replaced.add(row.predictions)
        row.predictions, row.predictions_bytes = artifact.key, artifact.size_bytes
        row.predictions_sha256 = artifact.sha256
        self._came.append(row)

    def records(self) -> list[Checkpoint]:
        """What has come and is kept, in that order."""
        self._session.flush()
        kept = dict.fromkeys(
            row for row in self._came if self._rows[row.trial_id].get(row.epoch) is row
        )
        return [record_of(row, *self._names[row.trial_id]) for row in kept]

    def _added(self, trial_id: int, epoch: int) -> CheckpointRow:
        if (trial_id, epoch) in self._left:
            self._session.flush()  # an insert would come before the delete
        row = CheckpointRow(
            trial_id=trial_id, epoch=epoch, best=False, last=False, reasons=[], pinned=False,
            predictions_bytes=0, created_at=self._at,
        )  # fmt: skip
        self._session.add(row)
        self._rows[trial_id][epoch] = row
        return row

    def _remove(self, row: CheckpointRow) -> None:
        self._replaced.update(keys_of(row))
        del self._rows[row.trial_id][row.epoch]
        self._left.add((row.trial_id, row.epoch))
        if row in self._session.new:
            self._session.expunge(row)
        else:
            self._session.delete(row)


def _drop_older_recent(rows: Mapping[int, CheckpointRow], count: int) -> None:
    """Takes the reason `recent` from all but the latest so many."""
    recent = sorted(epoch for epoch, row in rows.items() if "recent" in row.reasons)
    for epoch in recent[: max(0, len(recent) - count)]:
        rows[epoch].reasons = [reason for reason in rows[epoch].reasons if reason != "recent"]
