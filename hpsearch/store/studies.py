"""Studies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, not_, or_, select, true
from sqlalchemy import delete as sql_delete
from sqlalchemy.orm import Session

from hpsearch.errors import NotFound
from hpsearch.spec.external import ExternalTask
from hpsearch.spec.records import Counts, Study, StudyPage
from hpsearch.spec.space import search_space
from hpsearch.spec.states import EventKind, JobState, StudyState, TrialState, is_final, transition
from hpsearch.spec.study import StudySpec, parse_study
from hpsearch.store import events
from hpsearch.store.database import now
from hpsearch.store.pages import decode_cursor, encode_cursor
from hpsearch.store.tables import JobRow, StudyRow, TrialRow
from hpsearch.store.timestamps import as_datetime

OPEN = (StudyState.QUEUED, StudyState.RUNNING)
"""States in which trials are handed out."""

LOCK_ORDER = (StudyRow.priority.desc(), StudyRow.id)
"""Whoever locks several studies does so from the highest priority, then the oldest."""


@dataclass(frozen=True)
class OpenStudy:
    """What the tuner needs to know of a study under its lock."""

    id: int
    state: StudyState
    spec: StudySpec
    priority: int
    stage: int
    trials_created: int
    started_at: float | None


def create(session: Session, spec: StudySpec) -> int:
    """A new study in the queue; returns its id."""
    row = StudyRow(
        name=spec.name,
        state=StudyState.QUEUED,
        priority=spec.priority,
        external=isinstance(spec.task, ExternalTask),
        trials_planned=spec.search.trials,
        spec=spec.model_dump(mode="json"),
        attributes={},
        created_at=now(session),
    )
    session.add(row)
    session.flush()
    return row.id


def get(session: Session, study_id: int) -> Study:
    """One study as people see it."""
    return _records(session, [row_of(session, study_id)])[0]


def several(session: Session, study_ids: Sequence[int]) -> list[Study]:
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


def lock(session: Session, study_id: int) -> OpenStudy:
    """Locks a study: whoever adds or ends trials does this before anything else."""
    row = session.scalars(
        select(StudyRow).where(StudyRow.id == study_id).with_for_update()
    ).one_or_none()
    if row is None:
        raise _not_found(study_id)
    return _open(row)


def next_with_work(session: Session, after: OpenStudy | None) -> OpenStudy | None:
    """Locks the first study with work for workers, of those behind `after` in `LOCK_ORDER`.

    One that stands before it may have got work meanwhile, but must not be locked any more.
    """
    behind: ColumnElement[bool] = true()
    if after is not None:
        behind = or_(
            StudyRow.priority < after.priority,
            and_(StudyRow.priority == after.priority, StudyRow.id > after.id),
        )
    waiting = exists().where(JobRow.study_id == StudyRow.id, JobRow.state == JobState.QUEUED)
    row = session.scalars(
        select(StudyRow)
        .where(
            StudyRow.state.in_(OPEN),
            not_(StudyRow.external),
            behind,
            or_(StudyRow.trials_created < StudyRow.trials_planned, waiting),
        )
        .order_by(*LOCK_ORDER)
        .limit(1)
        .with_for_update()
    ).one_or_none()
    return None if row is None else _open(row)


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


def add_trials_created(session: Session, study_id: int, count: int) -> None:
    """Moves on the number that the next trial gets."""
    row_of(session, study_id).trials_created += count


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


def _open(row: StudyRow) -> OpenStudy:
    return OpenStudy(
        id=row.id,
        state=StudyState(row.state),
        spec=parse_study(row.spec),
        priority=row.priority,
        stage=row.stage,
        trials_created=row.trials_created,
        started_at=row.started_at,
    )


def _records(session: Session, rows: Sequence[StudyRow]) -> list[Study]:
    ids = [row.id for row in rows]
    counts: dict[int, dict[str, int]] = defaultdict(dict)
    done: dict[int, int] = defaultdict(int)
    planned: dict[int, int] = defaultdict(int)
    for study_id, state, number, epochs_done, epochs in session.execute(
        select(
            TrialRow.study_id,
            TrialRow.state,
            func.count(),
            func.sum(TrialRow.epochs_done),
            func.sum(TrialRow.epochs),
        )
        .where(TrialRow.study_id.in_(ids))
        .group_by(TrialRow.study_id, TrialRow.state)
    ):
        counts[study_id][state] = number
        done[study_id] += int(epochs_done)
        planned[study_id] += int(epochs)
    moment = now(session)
    return [
        _record(session, row, Counts(**counts[row.id]), done[row.id], planned[row.id], moment)
        for row in rows
    ]


def _record(
    session: Session, row: StudyRow, counts: Counts, done: int, created_epochs: int, moment: float
) -> Study:
    spec = parse_study(row.spec)
    planned = created_epochs + (spec.search.trials - row.trials_created) * typical_epochs(spec)
    best = best_trial(session, row.id, spec)
    eta = None
    if row.state == StudyState.RUNNING and row.started_at is not None and done:
        open_epochs = _open_epochs(session, row.id)
        left = open_epochs + (spec.search.trials - row.trials_created) * typical_epochs(spec)
        eta = left * (moment - row.started_at) / done
    return Study(
        id=row.id,
        name=row.name,
        state=StudyState(row.state),
        spec=row.spec,
        stage=row.stage,
        counts=counts,
        best_trial=best.number if best else None,
        best_value=best.value if best else None,
        epochs_done=done,
        epochs_planned=planned,
        eta_seconds=eta,
        attributes=row.attributes,
        created_at=as_datetime(row.created_at),
        started_at=as_datetime(row.started_at),
        finished_at=as_datetime(row.finished_at),
    )


def _open_epochs(session: Session, study_id: int) -> int:
    left: Any = session.scalar(
        select(func.sum(TrialRow.epochs - TrialRow.epochs_done)).where(
            TrialRow.study_id == study_id,
            TrialRow.state.in_((TrialState.QUEUED, TrialState.RUNNING)),
        )
    )
    return int(left or 0)


def typical_epochs(spec: StudySpec) -> int:
    """A trial's planned length; the middle of the range where it is searched."""
    for parameter in search_space(spec).parameters:
        if parameter.name == "training.epochs":
            return int(parameter.distribution.from_unit(0.5))
    return spec.training.epochs


def best_trial(session: Session, study_id: int, spec: StudySpec) -> TrialRow | None:
    """The complete trial with the best value, the earliest among equals."""
    maximize = spec.objective is not None and spec.objective.direction == "maximize"
    order = TrialRow.value.desc() if maximize else TrialRow.value.asc()
    return session.scalars(
        select(TrialRow)
        .where(
            TrialRow.study_id == study_id,
            TrialRow.state == TrialState.COMPLETE,
            TrialRow.value.is_not(None),
        )
        .order_by(order, TrialRow.number)
        .limit(1)
    ).one_or_none()
