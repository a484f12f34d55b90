"""How far a study's trials are: what its limits count, and what each has come to."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from hpsearch.spec.language.states import CUT_SHORT, TrialReason, TrialState, is_final
from hpsearch.spec.study import StudySpec
from hpsearch.spec.wire.progress import StudyProgress
from hpsearch.store import ranking
from hpsearch.store.database import now
from hpsearch.store.reports import encoded
from hpsearch.store.tables import TrialRow


def progress(
    session: Session, study_id: int, spec: StudySpec, started_at: float | None
) -> StudyProgress:
    """How far a study is; trials that a limit or a stop cut short do not count as failed."""
    rows = session.execute(
        select(
            TrialRow.state,
            TrialRow.reason,
            func.count(),
            func.sum(TrialRow.epochs_done - TrialRow.inherited),
            func.sum(TrialRow.epochs - TrialRow.epochs_done),
        )
        .where(TrialRow.study_id == study_id)
        .group_by(TrialRow.state, TrialRow.reason)
    ).all()
    best = ranking.best_trial(session, study_id, spec)
    since_best = None
    if best is not None:
        since_best = session.execute(
            select(func.count()).where(
                TrialRow.study_id == study_id, TrialRow.end_order > best.end_order
            )
        ).scalar_one()
    running = [row for row in rows if row[0] == TrialState.RUNNING]
    return StudyProgress(
        ended=sum(n for state, _, n, *_ in rows if is_final(TrialState(state))),
        failed=sum(
            n
            for state, reason, n, *_ in rows
            if state == TrialState.FAILED and reason not in CUT_SHORT
        ),
        ended_since_best=since_best,
        epochs_done=sum(int(epochs) for *_, epochs, _ in rows),
        seconds=seconds_since(session, started_at),
        running=sum(n for _, _, n, *_ in running),
        epochs_left=sum(int(left) for *_, left in running),
    )


def seconds_since(session: Session, started_at: float | None) -> float:
    """Time since a study's first trial started, by the database's clock."""
    return 0.0 if started_at is None else now(session) - started_at


def epochs_done(session: Session, study_id: int) -> int:
    """Epochs that all trials of a study have trained together."""
    total: Any = session.scalar(
        select(func.sum(TrialRow.epochs_done - TrialRow.inherited)).where(
            TrialRow.study_id == study_id
        )
    )
    return int(total or 0)


def epochs_left(session: Session, trial_ids: Collection[int]) -> dict[int, int]:
    """Epochs that trials have yet to train of those planned, by trial id."""
    found = session.execute(
        select(TrialRow.id, TrialRow.epochs - TrialRow.epochs_done).where(
            TrialRow.id.in_(trial_ids)
        )
    )
    return {trial_id: int(left) for trial_id, left in found}


@dataclass(frozen=True)
class TrialStatus:
    """What a trial has come to."""

    state: TrialState
    reason: TrialReason | None
    message: str | None
    epochs_done: int
    epochs: int
    inherited: int
    diverged: bool
    """Whether its last epoch's training loss was not finite: no worker trains it any further."""

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return is_final(self.state)


def statuses(session: Session, trial_ids: Collection[int]) -> dict[int, TrialStatus]:
    """What some trials have come to, by trial id."""
    rows = session.scalars(select(TrialRow).where(TrialRow.id.in_(trial_ids)))
    return {row.id: _status(row) for row in rows}


def status(session: Session, trial_id: int) -> TrialStatus:
    """What a trial has come to; without a query where the session knows it."""
    return _status(session.get_one(TrialRow, trial_id))


def _status(row: TrialRow) -> TrialStatus:
    return TrialStatus(
        state=TrialState(row.state),
        reason=TrialReason(row.reason) if row.reason else None,
        message=row.message,
        epochs_done=row.epochs_done,
        epochs=row.epochs,
        inherited=row.inherited,
        diverged=not math.isfinite(float(row.metrics.get("train_loss", 0.0))),
    )


@dataclass(frozen=True)
class Outcome:
    """How many of a study's ended trials came to the same."""

    state: TrialState
    reason: TrialReason | None
    has_value: bool
    trials: int


def outcomes(session: Session, study_id: int) -> Sequence[Outcome]:
    """What the ended trials of a study came to, counted."""
    has_value = TrialRow.value.is_not(None)
    rows = session.execute(
        select(TrialRow.state, TrialRow.reason, has_value, func.count())
        .where(TrialRow.study_id == study_id, TrialRow.end_order.is_not(None))
        .group_by(TrialRow.state, TrialRow.reason, has_value)
    )
    return [
        Outcome(TrialState(state), TrialReason(reason) if reason else None, bool(valued), count)
        for state, reason, valued, count in rows
    ]


def first_failure(session: Session, study_id: int) -> tuple[int, str] | None:
    """Number and message of the trial that failed first; none where none did."""
    row = session.execute(
        select(TrialRow.number, TrialRow.message)
        .where(
            TrialRow.study_id == study_id,
            TrialRow.state == TrialState.FAILED,
            TrialRow.message.is_not(None),
            TrialRow.reason.not_in(CUT_SHORT),
        )
        .order_by(TrialRow.end_order)
        .limit(1)
    ).one_or_none()
    return None if row is None else (row.number, row.message or "")


def set_test_metrics(session: Session, trial_id: int, test_metrics: Mapping[str, float]) -> None:
    """Stores the test scores of a trial that was over before its worker could send them."""
    session.get_one(TrialRow, trial_id).test_metrics = encoded(test_metrics)
