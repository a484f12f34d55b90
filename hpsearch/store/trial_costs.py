"""Trials with their training time, for advice."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from hpsearch.spec.language.states import TrialState
from hpsearch.spec.study import StudySpec
from hpsearch.spec.wire.advice import MeasuredTrial
from hpsearch.spec.wire.observation import Observation
from hpsearch.store.ranking import losses_of
from hpsearch.store.tables import TrialRow


def measured(session: Session, study_id: int, spec: StudySpec) -> list[MeasuredTrial]:
    """A study's trials by number.

    The time is the last epoch's `seconds` times the epochs trained; that of a loop which reports
    none is from start to end.
    """
    several = len(spec.objectives) > 1
    rows = session.execute(
        select(
            TrialRow.number,
            TrialRow.params,
            TrialRow.stage,
            TrialRow.state,
            TrialRow.value,
            TrialRow.objectives,
            TrialRow.epochs_done,
            TrialRow.inherited,
            TrialRow.best_epoch,
            TrialRow.metrics,
            TrialRow.started_at,
            TrialRow.finished_at,
        )
        .where(TrialRow.study_id == study_id)
        .order_by(TrialRow.number)
    )
    found = []
    for row in rows:
        losses = losses_of(row.objectives if several else [row.value], spec)
        seconds = None
        if "seconds" in row.metrics:
            seconds = float(row.metrics["seconds"]) * (row.epochs_done - row.inherited)
        elif row.started_at is not None and row.finished_at is not None:
            seconds = row.finished_at - row.started_at
        found.append(
            MeasuredTrial(
                trial=Observation(
                    number=row.number,
                    params=row.params,
                    stage=row.stage,
                    state=TrialState(row.state),
                    losses=losses,
                    epochs=row.epochs_done,
                ),
                epochs_to_best=None if row.best_epoch is None else row.best_epoch + 1,
                seconds=seconds,
            )
        )
    return found
