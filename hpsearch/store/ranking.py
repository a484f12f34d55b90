"""A study's best trials by its (first) objective, and its Pareto front by all of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

from sqlalchemy import ColumnElement, Select, case, select
from sqlalchemy.orm import Session

from hpsearch.spec.language.states import TrialState
from hpsearch.spec.space.pareto import pareto_front
from hpsearch.spec.study import Objective, StudySpec
from hpsearch.store.tables import StudyRow, TrialRow

R = TypeVar("R")

_RANKED = (TrialRow.state == TrialState.COMPLETE, TrialRow.value.is_not(None))
"""Trials that take part: complete, with a value."""


class BestTrial(NamedTuple):
    """A study's best trial."""

    number: int
    value: float


def value_order(objective: Objective | None) -> ColumnElement[float | None]:
    """Orders trials by value, the best first; the lowest first where there is no objective."""
    if objective is not None and objective.is_maximized:
        return TrialRow.value.desc()
    return TrialRow.value.asc()


def best_trial(session: Session, study_id: int, spec: StudySpec) -> TrialRow | None:
    """The complete trial with the best (first) objective, the earliest among equals."""
    return session.scalars(_best_first(select(TrialRow), study_id, spec).limit(1)).one_or_none()


def best_numbers(session: Session, study_id: int, spec: StudySpec, count: int) -> Sequence[int]:
    """Numbers of the complete trials with the best values, the best first."""
    return session.scalars(_best_first(select(TrialRow.number), study_id, spec).limit(count)).all()


def _best_first(query: Select[R], study_id: int, spec: StudySpec) -> Select[R]:
    return query.where(TrialRow.study_id == study_id, *_RANKED).order_by(
        value_order(spec.first_objective), TrialRow.number
    )


def best_of_studies(session: Session, specs: Mapping[int, StudySpec]) -> dict[int, BestTrial]:
    """The best trial of each study that has one, by study id, in one query.

    Each study's is found through the index on (study, state, value), however many trials it has.
    """
    maximized = [
        study_id
        for study_id, spec in specs.items()
        if spec.first_objective is not None and spec.first_objective.is_maximized
    ]

    def best_id(order: ColumnElement[float | None]) -> ColumnElement[int]:
        return (
            select(TrialRow.id)
            .where(TrialRow.study_id == StudyRow.id, *_RANKED)
            .order_by(order, TrialRow.number)
            .limit(1)
            .correlate(StudyRow)
            .scalar_subquery()
        )

    best_ids = select(
        case(
            (StudyRow.id.in_(maximized), best_id(TrialRow.value.desc())),
            else_=best_id(TrialRow.value.asc()),
        )
    ).where(StudyRow.id.in_(specs))
    found = session.execute(
        select(TrialRow.study_id, TrialRow.number, TrialRow.value).where(TrialRow.id.in_(best_ids))
    )
    return {
        study_id: BestTrial(number, value) for study_id, number, value in found if value is not None
    }


def pareto_fronts(session: Session, specs: Mapping[int, StudySpec]) -> dict[int, list[int]]:
    """Numbers of the trials on the front of each study with several objectives, by study id."""
    several = {study_id: spec for study_id, spec in specs.items() if len(spec.objectives) > 1}
    if not several:
        return {}
    points: defaultdict[int, dict[int, tuple[float, ...]]] = defaultdict(dict)
    for study_id, number, values in session.execute(
        select(TrialRow.study_id, TrialRow.number, TrialRow.objectives)
        .where(TrialRow.study_id.in_(several), TrialRow.state == TrialState.COMPLETE)
        .order_by(TrialRow.number)
    ):
        losses = losses_of(values, several[study_id])
        if losses is not None:
            points[study_id][number] = losses
    return {study_id: pareto_front(points[study_id]) for study_id in several}


def losses_of(
    objectives: Sequence[float | None] | None, spec: StudySpec
) -> tuple[float, ...] | None:
    """A trial's objectives, all minimised; none while one of them is missing."""
    if objectives is None or any(value is None for value in objectives):
        return None
    return tuple(
        objective.sign * float(value or 0)
        for value, objective in zip(objectives, spec.objectives, strict=True)
    )
