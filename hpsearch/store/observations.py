"""Trials as samplers see them: those that have ended, in that order, and those that have not."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from hpsearch.spec.language.states import TrialState
from hpsearch.spec.study import StudySpec
from hpsearch.spec.wire.observation import Observation
from hpsearch.store.ranking import losses_of
from hpsearch.store.studies import row_of
from hpsearch.store.tables import TrialRow

COLUMNS = (
    TrialRow.number,
    TrialRow.params,
    TrialRow.stage,
    TrialRow.state,
    TrialRow.value,
    TrialRow.objectives,
    TrialRow.epochs_done,
)


def ended(session: Session, study_id: int, spec: StudySpec, after: int = 0) -> list[Observation]:
    """Trials that are over, in the order in which they ended, without the first `after`."""
    query = (
        select(*COLUMNS)
        .where(TrialRow.study_id == study_id, TrialRow.end_order >= after)
        .order_by(TrialRow.end_order)
    )
    return _observations(session, query, spec)


def running(session: Session, study_id: int, spec: StudySpec) -> list[Observation]:
    """Trials that are not over, by number."""
    query = (
        select(*COLUMNS)
        .where(
            TrialRow.study_id == study_id,
            TrialRow.state.in_((TrialState.QUEUED, TrialState.RUNNING)),
        )
        .order_by(TrialRow.number)
    )
    return _observations(session, query, spec)


def of_stage(session: Session, study_id: int, spec: StudySpec, stage: int) -> list[Observation]:
    """Trials of a stage by number."""
    query = (
        select(*COLUMNS)
        .where(TrialRow.study_id == study_id, TrialRow.stage == stage)
        .order_by(TrialRow.number)
    )
    return _observations(session, query, spec)


def warm_start(session: Session, study_id: int) -> list[Observation]:
    """The trials of an earlier study that a study learns from, numbered from -1 downwards."""
    return [
        Observation(
            number=-1 - index,
            params=trial["params"],
            stage=0,
            state=TrialState.COMPLETE,
            losses=tuple(trial["losses"]),
        )
        for index, trial in enumerate(row_of(session, study_id).known)
    ]


def _observations(session: Session, query: Select[Any], spec: StudySpec) -> list[Observation]:
    several = len(spec.objectives) > 1
    return [
        Observation(
            number=number,
            params=params,
            stage=stage,
            state=TrialState(state),
            losses=losses_of(objectives if several else [value], spec),
            epochs=epochs,
        )
        for number, params, stage, state, value, objectives, epochs in session.execute(query)
    ]
