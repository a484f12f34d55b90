"""Workers: registered, heard of, lost, or set aside after too many failures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from hpsearch.errors import Conflict, NotFound
from hpsearch.spec.language.states import EventKind, WorkerState
from hpsearch.spec.wire.jobs import Worker
from hpsearch.store import events
from hpsearch.store.database import now
from hpsearch.store.tables import WorkerRow
from hpsearch.store.timestamps import as_datetime

SICK_AFTER_FAILED_TRIALS = 3
"""A worker is set aside when this many different trials in a row failed on it with an error."""


def join(session: Session, name: str, labels: Mapping[str, str], lease_seconds: float) -> Worker:
    """Registers a worker, under an identity that no process had before."""
    moment = now(session)
    row = WorkerRow(
        name=name,
        state=WorkerState.ACTIVE,
        labels=dict(labels),
        failed_trials=[],
        created_at=moment,
        seen_at=moment,
    )
    session.add(row)
    session.flush()
    events.add(session, None, EventKind.WORKER_JOINED, f"worker {row.id} ({name}) joined")
    return _record(row, lease_seconds)


def check_active(session: Session, worker_id: int) -> None:
    """Checks that a worker may work.

    Raises:
        NotFound: when it never joined.
        Conflict: when it has been set aside.
    """
    row = session.get(WorkerRow, worker_id)
    if row is None:
        raise NotFound(f"a worker must join before it works, and none has id {worker_id}; join")
    if row.state == WorkerState.SET_ASIDE:
        raise Conflict(
            f"worker {worker_id} ({row.name}) is set aside after {SICK_AFTER_FAILED_TRIALS} trials "
            "in a row failed on it; read their errors, mend the machine and start a new worker"
        )


def mark_seen(session: Session, worker_id: int) -> None:
    """Dates the last time that a worker was heard of; its row stays locked until the commit."""
    row = _lock(session, worker_id)
    if row.state == WorkerState.LOST:
        row.state = WorkerState.ACTIVE
    row.seen_at = now(session)


def record_success(session: Session, worker_id: int | None) -> None:
    """A trial ended well on a worker: its failures in a row are reset."""
    if worker_id is not None:
        _lock(session, worker_id).failed_trials = []


def record_failure(session: Session, worker_id: int | None, trial_id: int, message: str) -> None:
    """Counts a trial that failed on a worker; the third different one in a row sets it aside."""
    if worker_id is None:
        return
    row = _lock(session, worker_id)
    row.failed_trials = sorted({*row.failed_trials, trial_id})
    number = len(row.failed_trials)
    if number >= SICK_AFTER_FAILED_TRIALS and row.state != WorkerState.SET_ASIDE:
        row.state = WorkerState.SET_ASIDE
        events.add(
            session,
            None,
            EventKind.WORKER_LOST,
            f"worker {worker_id} ({row.name}) is set aside: {number} trials in a row "
            f"failed on it, the last with: {message}",
            worker=worker_id,
        )


def mark_silent_lost(session: Session, seconds: float) -> None:
    """Marks as lost the workers that were not heard of for so many seconds."""
    silent = session.scalars(
        select(WorkerRow)
        .where(WorkerRow.state == WorkerState.ACTIVE, WorkerRow.seen_at < now(session) - seconds)
        .order_by(WorkerRow.id)
        .with_for_update(skip_locked=True)
    ).all()
    for row in silent:
        row.state = WorkerState.LOST
        events.add(
            session,
            None,
            EventKind.WORKER_LOST,
            f"worker {row.id} ({row.name}) was not heard of for {seconds:g} s",
            worker=row.id,
        )


def count_present(session: Session, seconds: float) -> int:
    """How many workers were heard of in the last so many seconds."""
    count: Any = session.scalar(
        select(func.count()).where(
            WorkerRow.state == WorkerState.ACTIVE, WorkerRow.seen_at >= now(session) - seconds
        )
    )
    return int(count)


def page(session: Session, lease_seconds: float) -> list[Worker]:
    """The thousand newest workers, the newest first."""
    rows = session.scalars(select(WorkerRow).order_by(WorkerRow.id.desc()).limit(1000)).all()
    return [_record(row, lease_seconds) for row in rows]


def _lock(session: Session, worker_id: int) -> WorkerRow:
    # Jobs refer to the row: their share of its key may stand beside this lock.
    return session.get_one(
        WorkerRow, worker_id, with_for_update={"key_share": True}, populate_existing=True
    )


def _record(row: WorkerRow, lease_seconds: float) -> Worker:
    return Worker(
        id=row.id,
        name=row.name,
        state=WorkerState(row.state),
        lease_seconds=lease_seconds,
        created_at=as_datetime(row.created_at),
        seen_at=as_datetime(row.seen_at),
    )
