"""The history of one trial: its attempts, and the log entries about it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from hpsearch.spec.wire.records import Event
from hpsearch.store import events
from hpsearch.store.tables import JobRow, WorkerRow

ENTRIES_READ = 1000
"""How many of the study's newest entries are searched."""


@dataclass(frozen=True)
class Attempts:
    """A trial's job: its attempt, how often it was lost, and which worker leased it last."""

    job: int
    state: str
    attempt: int
    losses: int
    worker: str | None


def attempts(session: Session, trial_id: int) -> list[Attempts]:
    """A trial's jobs, the newest first."""
    rows = session.execute(
        select(JobRow, WorkerRow.name)
        .outerjoin(WorkerRow, WorkerRow.id == JobRow.worker_id)
        .where(JobRow.trial_id == trial_id)
        .order_by(JobRow.id.desc())
    )
    return [Attempts(job.id, job.state, job.attempt, job.losses, name) for job, name in rows]


def events_of(session: Session, study_id: int, trial_id: int, number: int) -> list[Event]:
    """Log entries about a trial or its jobs, the newest first."""
    jobs = {attempt.job for attempt in attempts(session, trial_id)}
    return [
        event
        for event in events.latest(session, study_id, ENTRIES_READ)
        if event.data.get("trial") == number or event.data.get("job") in jobs
    ]
