"""Studies: created, locked, given states, deleted.

Whoever locks several of them does so in `LOCK_ORDER`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, not_, or_, select, true
from sqlalchemy import delete as sql_delete
from sqlalchemy.orm import Session

from hpsearch.errors import NotFound
from hpsearch.spec.external import ExternalTask
from hpsearch.spec.language.states import (
    EndReason,
    EventKind,
    JobKind,
    JobState,
    StudyState,
    is_final,
    transition,
)
from hpsearch.spec.space.stages import stages_of
from hpsearch.spec.study import StudySpec
from hpsearch.spec.wire.observation import Observation
from hpsearch.spec.wire.records import StudyEnd
from hpsearch.store import events, specs, stages
from hpsearch.store.database import now
from hpsearch.store.tables import JobRow, StudyRow, VersionRow

OPEN = (StudyState.QUEUED, StudyState.RUNNING)
"""States in which trials are handed out."""

OVER = tuple(state for state in StudyState if is_final(state))

LOCK_ORDER = (StudyRow.priority.desc(), StudyRow.id)
"""Whoever locks several studies does so from the highest priority, then the oldest."""


@dataclass(frozen=True)
class LockedStudy:
    """A study as it is under its lock."""

    id: int
    state: StudyState
    spec: StudySpec
    document: dict[str, Any]
    """The spec as it is stored: JSON, every default filled in."""
    version: int
    priority: int
    stage: int
    trials_created: int
    trials_open: int
    trials_planned: int
    search_over: bool
    end: StudyEnd | None
    """Why no more trials are handed out; none while they are."""
    created_at: float
    started_at: float | None


def create(session: Session, spec: StudySpec, known: Sequence[Observation]) -> int:
    """Adds a queued study with the first version of its spec, no stage started; returns its id.

    Args:
        session: the transaction.
        spec: the spec, every default filled in.
        known: trials of an earlier study that it learns from.
    """
    document, moment = spec.model_dump(mode="json"), now(session)
    row = StudyRow(
        name=spec.name,
        state=StudyState.QUEUED,
        priority=spec.priority,
        external=isinstance(spec.task, ExternalTask),
        trials_planned=sum(stage.trials for stage in stages_of(spec)),
        trials_open=0,
        spec=document,
        known=[
            {"params": dict(trial.params), "losses": list(trial.losses or ())} for trial in known
        ],
        search_over=False,
        attributes={},
        created_at=moment,
    )
    session.add(row)
    session.flush()
    first = VersionRow(
        study_id=row.id, version=1, spec=document, changes=[], first_trial=0, created_at=moment
    )
    session.add(first)
    return row.id


def lock(session: Session, study_id: int) -> LockedStudy:
    """Locks a study: whoever adds or ends trials does this before anything else."""
    row = session.scalars(
        select(StudyRow).where(StudyRow.id == study_id).with_for_update()
    ).one_or_none()
    if row is None:
        raise _not_found(study_id)
    return _locked(session, row)


def lock_limited(session: Session, job_ids: Collection[int]) -> list[LockedStudy]:
    """Locks those studies of some jobs whose limits count epochs or time; returns them.

    Those that have a pruner are locked with them, all in `LOCK_ORDER`, if there are any.
    """
    of_jobs = select(JobRow.study_id).where(JobRow.id.in_(job_ids))
    # Columns, not rows: what is read before the lock must not be what is seen after it.
    found = session.execute(
        select(StudyRow.id, StudyRow.version, StudyRow.spec).where(StudyRow.id.in_(of_jobs))
    )
    parsed = {row.id: specs.parse(session, *row) for row in found}
    if not any(spec.limits.bounds_training for spec in parsed.values()):
        return []
    wanted = [id_ for id_, spec in parsed.items() if spec.is_pruned or spec.limits.bounds_training]
    rows = session.scalars(
        select(StudyRow).where(StudyRow.id.in_(wanted)).order_by(*LOCK_ORDER).with_for_update()
    ).all()
    locked = [_locked(session, row) for row in rows]
    return [study for study in locked if study.spec.limits.bounds_training]


def next_with_work(
    session: Session,
    after: LockedStudy | None,
    kinds: Collection[JobKind],
    paused_kinds: Collection[JobKind],
) -> LockedStudy | None:
    """Locks the first study with work for workers, of those behind `after` in `LOCK_ORDER`.

    One that stands before it may have got work meanwhile, but must not be locked any more.

    Args:
        session: the transaction.
        after: the study that was locked last; none for the first one.
        kinds: jobs that are handed out in their study's turn.
        paused_kinds: those of them that a paused study hands out.
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
        JobRow.kind.in_(list(kinds)),
    )
    to_sample = and_(
        StudyRow.trials_created < StudyRow.trials_open,
        not_(StudyRow.search_over),
        StudyRow.end_reason.is_(None),
    )
    row = session.scalars(
        select(StudyRow)
        .where(
            not_(StudyRow.external),
            behind,
            or_(
                and_(StudyRow.state.in_(OPEN), or_(to_sample, waiting)),
                # What people asked of a study that is over.
                and_(StudyRow.state.in_(OVER), waiting),
                and_(
                    StudyRow.state == StudyState.PAUSED,
                    waiting.where(JobRow.kind.in_(list(paused_kinds))),
                ),
            ),
        )
        .order_by(*LOCK_ORDER)
        .limit(1)
        .with_for_update()
    ).one_or_none()
    return None if row is None else _locked(session, row)


def get_state(session: Session, study_id: int) -> StudyState:
    """The present state."""
    return StudyState(row_of(session, study_id).state)


def spec_of(session: Session, study_id: int) -> StudySpec:
    """The present spec."""
    return specs.of_row(session, row_of(session, study_id))


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


def set_end(session: Session, study_id: int, end: StudyEnd | None) -> None:
    """Says why a study ends: from now on none of its trials is handed out; none takes it back."""
    row = row_of(session, study_id)
    row.end_reason = None if end is None else end.reason
    row.end_limit = None if end is None else end.limit
    row.end_message = None if end is None else end.message


def end_of(row: StudyRow) -> StudyEnd | None:
    """Why a study ended, or is about to; none while its search goes on."""
    if row.end_reason is None:
        return None
    return StudyEnd(
        reason=EndReason(row.end_reason), limit=row.end_limit, message=row.end_message or ""
    )


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


def _locked(session: Session, row: StudyRow) -> LockedStudy:
    return LockedStudy(
        id=row.id,
        state=StudyState(row.state),
        spec=specs.of_row(session, row),
        document=row.spec,
        version=row.version,
        priority=row.priority,
        stage=row.stage,
        trials_created=row.trials_created,
        trials_open=row.trials_open,
        trials_planned=row.trials_planned,
        search_over=row.search_over,
        end=end_of(row),
        created_at=row.created_at,
        started_at=row.started_at,
    )
