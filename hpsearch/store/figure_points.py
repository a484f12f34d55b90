"""Columns of whole studies, for figures: read without a record for each trial."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from hpsearch.spec.language.states import StudyState, TrialState, is_final
from hpsearch.spec.study import Objective
from hpsearch.spec.wire.points import TrialPoint
from hpsearch.store.ranking import value_order
from hpsearch.store.studies import row_of
from hpsearch.store.tables import TrialRow


def points(session: Session, study_id: int, *, params: bool) -> list[TrialPoint]:
    """Every trial of a study by number; with `params` also each one's parameters."""
    columns = (TrialRow.number, TrialRow.state, TrialRow.value, TrialRow.stage)
    selected = (*columns, TrialRow.params) if params else columns
    rows = session.execute(
        select(*selected).where(TrialRow.study_id == study_id).order_by(TrialRow.number)
    )
    return [TrialPoint(row[0], TrialState(row[1]), *row[2:]) for row in rows]


def fingerprint(session: Session, study_id: int) -> tuple[object, ...]:
    """A key that changes whenever `points` would, to cache under what is made of them.

    Raises:
        NotFound: when there is no such study.
    """
    study = row_of(session, study_id)
    if is_final(StudyState(study.state)):
        return (study_id, study.created_at, study.finished_at)
    counts = session.execute(
        select(TrialRow.state, func.count(), func.sum(TrialRow.epochs_done))
        .where(TrialRow.study_id == study_id)
        .group_by(TrialRow.state)
        .order_by(TrialRow.state)
    )
    return (study_id, study.created_at, study.state, *map(tuple, counts))


def best_numbers(session: Session, study_id: int, objective: Objective, count: int) -> list[int]:
    """The trials with the best values so far, the best first, whatever their state."""
    return list(
        session.scalars(
            select(TrialRow.number)
            .where(TrialRow.study_id == study_id, TrialRow.value.is_not(None))
            .order_by(value_order(objective), TrialRow.number)
            .limit(count)
        )
    )


def objectives(session: Session, study_id: int) -> dict[int, list[float]]:
    """All objectives of the complete trials that have them, by number."""
    rows = session.execute(
        select(TrialRow.number, TrialRow.objectives)
        .where(TrialRow.study_id == study_id, TrialRow.state == TrialState.COMPLETE)
        .order_by(TrialRow.number)
    )
    return {
        number: [value for value in values if value is not None]
        for number, values in rows
        if values is not None and None not in values
    }


def metric_names(session: Session, study_id: int, trials: int = 50) -> list[str]:
    """The metrics that the latest trials reported, in the order they were reported in."""
    names: dict[str, None] = {}
    latest = (
        select(TrialRow.metrics)
        .where(TrialRow.study_id == study_id, TrialRow.epochs_done > 0)
        .order_by(TrialRow.number.desc())
        .limit(trials)
    )
    for metrics in session.scalars(latest):
        names |= dict.fromkeys(metrics)
    return list(names)


def count_reporting(session: Session, study_id: int) -> int:
    """How many trials of a study have reported anything."""
    return session.execute(
        select(func.count()).where(TrialRow.study_id == study_id, TrialRow.epochs_done > 0)
    ).scalar_one()
