"""Studies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import ColumnElement, Select, and_, exists, func, not_, or_, select, true
from sqlalchemy import delete as sql_delete
from sqlalchemy.orm import Session

from hpsearch.errors import NotFound
from hpsearch.spec.external import ExternalTask
from hpsearch.spec.language.states import (
    EventKind,
    JobKind,
    JobState,
    StudyState,
    TrialState,
    is_final,
    transition,
)
from hpsearch.spec.space.pareto import pareto_front
from hpsearch.spec.space.stages import stages_of, typical_epochs
from hpsearch.spec.study import Objective, StudySpec, parse_study
from hpsearch.spec.wire.records import Counts, StageSummary, Study, StudyPage
from hpsearch.store import checkpoints, ensembles, events, stages
from hpsearch.store.database import now
from hpsearch.store.pages import decode_cursor, encode_cursor
from hpsearch.store.tables import JobRow, StudyRow, TrialRow
from hpsearch.store.timestamps import as_datetime

R = TypeVar("R")

OPEN = (StudyState.QUEUED, StudyState.RUNNING)
"""States in which trials are handed out."""

OVER = tuple(state for state in StudyState if is_final(state))

LOCK_ORDER = (StudyRow.priority.desc(), StudyRow.id)
"""Whoever locks several studies does so from the highest priority, then the oldest."""


@dataclass(frozen=True)
class LockedStudy:
    """What the tuner needs to know of a study under its lock."""

    id: int
    state: StudyState
    spec: StudySpec
    version: int
    priority: int
    stage: int
    trials_created: int
    trials_open: int
    trials_planned: int
    search_over: bool
    created_at: float
    started_at: float | None


def create(session: Session, spec: StudySpec) -> int:
    """A new study in the queue, none of its stages begun; returns its id."""
    row = StudyRow(
        name=spec.name,
        state=StudyState.QUEUED,
        priority=spec.priority,
        external=isinstance(spec.task, ExternalTask),
        trials_planned=sum(stage.trials for stage in stages_of(spec)),
        trials_open=0,
        spec=spec.model_dump(mode="json"),
        known=[],
        search_over=False,
        attributes={},
        created_at=now(session),
    )
    session.add(row)
    session.flush()
    return row.id


def get(session: Session, study_id: int) -> Study:
    """One study as people see it."""
    return _records(session, [row_of(session, study_id)])[0]


def of_ids(session: Session, study_ids: Sequence[int]) -> list[Study]:
    """Those of some studies that exist, newest first."""
    rows = session.scalars(
        select(StudyRow).where(StudyRow.id.in_(study_ids)).order_by(StudyRow.id.desc())
    ).all()
    return _records(session, rows)


def page(session: Session, size: int, token: str | None, state: StudyState | None) -> StudyPage:
    """Studies, newest first."""
    query = select(StudyRow)
    if state is not None:
        query = query.where(StudyRow.state == state)
    if token:
        (before,) = decode_cursor(token, 1)
        query = query.where(StudyRow.id < before)
    rows = session.scalars(query.order_by(StudyRow.id.desc()).limit(size + 1)).all()
    return StudyPage(
        studies=_records(session, rows[:size]),
        next_page_token=encode_cursor([rows[size - 1].id]) if len(rows) > size else None,
    )


def lock(session: Session, study_id: int) -> LockedStudy:
    """Locks a study: whoever adds or ends trials does this before anything else."""
    row = session.scalars(
        select(StudyRow).where(StudyRow.id == study_id).with_for_update()
    ).one_or_none()
    if row is None:
        raise _not_found(study_id)
    return _locked(row)


def next_with_work(session: Session, after: LockedStudy | None) -> LockedStudy | None:
    """Locks the first study with work for workers, of those behind `after` in `LOCK_ORDER`.

    One that stands before it may have got work meanwhile, but must not be locked any more.
    """
    behind: ColumnElement[bool] = true()
    if after is not None:
        behind = or_(
            StudyRow.priority < after.priority,
            and_(StudyRow.priority == after.priority, StudyRow.id > after.id),
        )
    waiting = exists().where(
        JobRow.study_id == StudyRow.id,
        JobRow.state == JobState.QUEUED,
        JobRow.kind != JobKind.PREDICT,
    )
    to_sample = and_(StudyRow.trials_created < StudyRow.trials_open, not_(StudyRow.search_over))
    row = session.scalars(
        select(StudyRow)
        .where(
            not_(StudyRow.external),
            behind,
            or_(
                and_(StudyRow.state.in_(OPEN), or_(to_sample, waiting)),
                # What people asked of a study that is over.
                and_(StudyRow.state.in_(OVER), waiting),
                # A pause holds trials back, nothing else.
                and_(
                    StudyRow.state == StudyState.PAUSED,
                    waiting.where(JobRow.kind == JobKind.ENSEMBLE),
                ),
            ),
        )
        .order_by(*LOCK_ORDER)
        .limit(1)
        .with_for_update()
    ).one_or_none()
    return None if row is None else _locked(row)


def get_state(session: Session, study_id: int) -> StudyState:
    """The present state."""
    return StudyState(row_of(session, study_id).state)


def spec_of(session: Session, study_id: int) -> StudySpec:
    """The spec that runs."""
    return parse_study(row_of(session, study_id).spec)


def open_ids(session: Session) -> Sequence[int]:
    """Studies that are not over."""
    return session.scalars(
        select(StudyRow.id)
        .where(StudyRow.state.in_((*OPEN, StudyState.PAUSED)))
        .order_by(*LOCK_ORDER)
    ).all()


def all_ids(session: Session) -> Sequence[int]:
    """Every study, in the order in which several are locked."""
    return session.scalars(select(StudyRow.id).order_by(*LOCK_ORDER)).all()


def set_planned_trials(session: Session, study_id: int, trials: int) -> None:
    """How many trials a study has in all."""
    row_of(session, study_id).trials_planned = trials


def finish_search(session: Session, study_id: int) -> None:
    """From now on the study trains no more trials of its own accord."""
    row_of(session, study_id).search_over = True


def change_state(session: Session, study_id: int, state: StudyState, why: str) -> None:
    """Puts a study into a state and says so in its log.

    Raises:
        IllegalTransition: when the state cannot follow the present one.
    """
    row = row_of(session, study_id)
    before = StudyState(row.state)
    row.state = transition(f"study {study_id}", before, state)
    moment = now(session)
    if state is StudyState.RUNNING and row.started_at is None:
        row.started_at = moment
    if is_final(state):
        row.finished_at = moment
        stages.finish(session, study_id, row.stage)
    events.add(
        session,
        study_id,
        EventKind.STATE_CHANGED,
        f"{before} → {state}: {why}",
        before=before,
        after=state,
    )


def delete(session: Session, study_id: int) -> None:
    """Removes a study with all that hangs on it."""
    session.execute(sql_delete(StudyRow).where(StudyRow.id == study_id))


def row_of(session: Session, study_id: int) -> StudyRow:
    """The row, for the store's own modules.

    Raises:
        NotFound: when there is none.
    """
    row = session.get(StudyRow, study_id)
    if row is None:
        raise _not_found(study_id)
    return row


def _not_found(study_id: int) -> NotFound:
    return NotFound(f"a study must exist to be used, and none has id {study_id}; list the studies")


def _locked(row: StudyRow) -> LockedStudy:
    return LockedStudy(
        id=row.id,
        state=StudyState(row.state),
        spec=parse_study(row.spec),
        version=row.version,
        priority=row.priority,
        stage=row.stage,
        trials_created=row.trials_created,
        trials_open=row.trials_open,
        trials_planned=row.trials_planned,
        search_over=row.search_over,
        created_at=row.created_at,
        started_at=row.started_at,
    )


def _records(session: Session, rows: Sequence[StudyRow]) -> list[Study]:
    ids = [row.id for row in rows]
    counts: dict[int, dict[str, int]] = defaultdict(dict)
    done: dict[int, int] = defaultdict(int)
    planned: dict[int, int] = defaultdict(int)
    left: dict[int, int] = defaultdict(int)
    for study_id, state, number, trained, length in session.execute(
        select(
            TrialRow.study_id,
            TrialRow.state,
            func.count(),
            func.sum(TrialRow.epochs_done - TrialRow.inherited),
            func.sum(TrialRow.epochs - TrialRow.inherited),
        )
        .where(TrialRow.study_id.in_(ids))
        .group_by(TrialRow.study_id, TrialRow.state)
    ):
        counts[study_id][state] = number
        done[study_id] += int(trained)
        planned[study_id] += int(length)
        if not is_final(TrialState(state)):
            left[study_id] += int(length) - int(trained)
    begun = stages.of_studies(session, ids)
    moment = now(session)
    stored, combined = checkpoints.sizes(session, ids), ensembles.counts(session, ids)
    records = []
    for row in rows:
        coming = _epochs_to_come(row, begun[row.id])
        epochs = _Epochs(done[row.id], planned[row.id] + coming, left[row.id] + coming)
        record = _record(session, row, Counts(**counts[row.id]), begun[row.id], epochs, moment)
        number, size_bytes = stored.get(row.id, (0, 0))
        made = {
            "checkpoints": number,
            "checkpoint_bytes": size_bytes,
            "ensembles": combined.get(row.id, 0),
        }
        records.append(record.model_copy(update=made))
    return records


@dataclass(frozen=True)
class _Epochs:
    """Of all trials: trained, planned, and still to be trained."""

    done: int
    planned: int
    left: int


def _epochs_to_come(row: StudyRow, begun: Sequence[StageSummary]) -> int:
    """Epochs of the trials that are not there yet."""
    if row.trials_created == row.trials_planned or row.search_over:
        return 0
    spec = parse_study(row.spec)
    plans = stages_of(spec)
    here = (row.trials_open - row.trials_created) * typical_epochs(spec, row.stage)
    return here + sum(
        plans[i].trials * typical_epochs(spec, i) for i in range(len(begun), len(plans))
    )


def _record(
    session: Session,
    row: StudyRow,
    counts: Counts,
    begun: list[StageSummary],
    epochs: _Epochs,
    moment: float,
) -> Study:
    spec = parse_study(row.spec)
    best = best_trial(session, row.id, spec)
    eta = None
    is_training = row.state == StudyState.RUNNING and not row.search_over
    if is_training and row.started_at is not None and epochs.done:
        eta = epochs.left * (moment - row.started_at) / epochs.done
    return Study(
        id=row.id,
        name=row.name,
        state=StudyState(row.state),
        spec=row.spec,
        version=row.version,
        stage=row.stage,
        stages=begun,
        trials_planned=row.trials_planned,
        counts=counts,
        best_trial=best.number if best else None,
        best_value=best.value if best else None,
        pareto_front=_pareto_front(session, row.id, spec) if len(spec.objectives) > 1 else None,
        epochs_done=epochs.done,
        epochs_planned=epochs.planned,
        eta_seconds=eta,
        attributes=row.attributes,
        created_at=as_datetime(row.created_at),
        started_at=as_datetime(row.started_at),
        finished_at=as_datetime(row.finished_at),
    )


def _pareto_front(session: Session, study_id: int, spec: StudySpec) -> list[int]:
    found = session.execute(
        select(TrialRow.number, TrialRow.objectives)
        .where(TrialRow.study_id == study_id, TrialRow.state == TrialState.COMPLETE)
        .order_by(TrialRow.number)
    )
    losses = {number: losses_of(values, spec) for number, values in found}
    return pareto_front({number: point for number, point in losses.items() if point is not None})


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


def best_trial(session: Session, study_id: int, spec: StudySpec) -> TrialRow | None:
    """The complete trial with the best (first) objective, the earliest among equals."""
    return session.scalars(_best_first(select(TrialRow), study_id, spec).limit(1)).one_or_none()


def best_numbers(session: Session, study_id: int, spec: StudySpec, count: int) -> Sequence[int]:
    """Numbers of the complete trials with the best values, the best first."""
    return session.scalars(_best_first(select(TrialRow.number), study_id, spec).limit(count)).all()


def value_order(objective: Objective | None) -> ColumnElement[float | None]:
    """Orders trials by value, the best first; the lowest first where there is no objective."""
    if objective is not None and objective.is_maximized:
        return TrialRow.value.desc()
    return TrialRow.value.asc()


def _best_first(query: Select[R], study_id: int, spec: StudySpec) -> Select[R]:
    order = value_order(spec.first_objective)
    return query.where(
        TrialRow.study_id == study_id,
        TrialRow.state == TrialState.COMPLETE,
        TrialRow.value.is_not(None),
    ).order_by(order, TrialRow.number)
