"""The queue. A job is queued, leased to a worker for a while, and done or failed.

Every lease carries the fencing token (job, attempt); `renew` is the one gate that a worker's writes
pass. A lease that expires makes room for the next attempt, so an outdated token never fits again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from hpsearch.errors import Conflict, NotFound, StaleLease
from hpsearch.spec.language.states import JobKind, JobState, transition
from hpsearch.spec.wire.jobs import JobStatus
from hpsearch.store.database import now
from hpsearch.store.tables import JobRow, TrialRow

PREDICTIONS_STORED_SECONDS = 24 * 3600
"""How long the answer to a prediction can be read; it may hold a hundred thousand rows."""


@dataclass(frozen=True)
class QueuedJob:
    """A job as the service handles it, in any state."""

    id: int
    kind: JobKind
    study_id: int
    trial_id: int | None
    ensemble_id: int | None
    attempt: int
    losses: int
    begun: bool
    """Whether the worker that holds it has begun to train."""
    worker_id: int | None
    state: JobState

    @property
    def required_trial_id(self) -> int:
        """The id of the trial that the job trains.

        Raises:
            Conflict: when it trains none.
        """
        if self.trial_id is None:
            raise Conflict(
                f"only a trial's job can do this, and job {self.id} is a {self.kind}; drop it"
            )
        return self.trial_id

    @property
    def required_ensemble_id(self) -> int:
        """The id of the ensemble that the job builds or lets predict.

        Raises:
            Conflict: when it works on no ensemble.
        """
        if self.ensemble_id is None:
            raise Conflict(
                f"only an ensemble's job can do this, and job {self.id} is a {self.kind}; drop it"
            )
        return self.ensemble_id

    def check_kind(self, kind: JobKind) -> None:
        """Refuses what only a job of this kind can do.

        Raises:
            Conflict: when it is of another kind.
        """
        if self.kind is not kind:
            raise Conflict(
                f"only a job of kind {kind} can do this, and job {self.id} is a {self.kind}; "
                "drop it"
            )


def add(session: Session, study_id: int, trial_ids: Sequence[int], priority: int) -> list[int]:
    """Queues a job for each trial; returns their ids in order."""
    moment = now(session)
    rows = [
        JobRow(
            kind=JobKind.TRIAL,
            state=JobState.QUEUED,
            study_id=study_id,
            trial_id=trial_id,
            priority=priority,
            payload={},
            created_at=moment,
        )
        for trial_id in trial_ids
    ]
    session.add_all(rows)
    session.flush()
    return [row.id for row in rows]


def add_for_ensemble(
    session: Session,
    kind: JobKind,
    study_id: int,
    ensemble_id: int,
    priority: int,
    payload: Mapping[str, Any] | None = None,
) -> int:
    """Queues the building of an ensemble, or rows for it to predict; returns the job's id."""
    row = JobRow(
        kind=kind,
        state=JobState.QUEUED,
        study_id=study_id,
        ensemble_id=ensemble_id,
        priority=priority,
        payload=dict(payload or {}),
        created_at=now(session),
    )
    session.add(row)
    session.flush()
    return row.id


def lock_queued(
    session: Session, study_id: int, count: int, kinds: Collection[JobKind]
) -> list[QueuedJob]:
    """Locks up to `count` of a study's queued jobs of some kinds, the oldest first."""
    rows = session.scalars(
        select(JobRow)
        .where(
            JobRow.study_id == study_id,
            JobRow.state == JobState.QUEUED,
            JobRow.kind.in_(list(kinds)),
        )
        .order_by(JobRow.id)
        .limit(count)
        .with_for_update()
    ).all()
    return [queued_job(row) for row in rows]


def lock_queued_predictions(session: Session, count: int) -> list[QueuedJob]:
    """Locks up to `count` queued predictions of any study, but those that others have locked."""
    rows = session.scalars(
        select(JobRow)
        .where(JobRow.kind == JobKind.PREDICT, JobRow.state == JobState.QUEUED)
        .order_by(JobRow.id)
        .limit(count)
        .with_for_update(skip_locked=True)
    ).all()
    return [queued_job(row) for row in rows]


def has_queued_predictions(session: Session) -> bool:
    """Whether a prediction of any study is queued."""
    waiting = select(JobRow.id).where(
        JobRow.state == JobState.QUEUED, JobRow.kind == JobKind.PREDICT
    )
    return session.scalar(waiting.limit(1)) is not None


def lease(
    session: Session, job_ids: Sequence[int], worker_id: int | None, lease_seconds: float
) -> list[QueuedJob]:
    """Leases queued jobs to a worker, or to a user's own loop, which has no `worker_id`."""
    expires_at = now(session) + lease_seconds
    found = session.scalars(select(JobRow).where(JobRow.id.in_(job_ids)))
    by_id = {row.id: row for row in found}
    rows = [by_id[job_id] for job_id in job_ids]
    for row in rows:
        row.state = transition(f"job {row.id}", JobState(row.state), JobState.LEASED)
        row.worker_id = worker_id
        row.begun = worker_id is None  # a loop of one's own asks for what it trains next
        row.expires_at = expires_at
    return [queued_job(row) for row in rows]


def id_of_trial(session: Session, trial_id: int) -> int:
    """The job that trains a trial."""
    return session.execute(select(JobRow.id).where(JobRow.trial_id == trial_id)).scalar_one()


def study_of(session: Session, job_id: int) -> int:
    """The study that a job belongs to.

    Raises:
        NotFound: when there is no such job.
    """
    study_id = session.scalar(select(JobRow.study_id).where(JobRow.id == job_id))
    if study_id is None:
        raise NotFound(f"a job must exist to be used, and none has id {job_id}; lease one")
    return study_id


def renew(
    session: Session,
    tokens: Sequence[tuple[int, int]],
    lease_seconds: float,
    *,
    begun: bool = False,
) -> dict[int, QueuedJob]:
    """Locks leased jobs by their tokens and renews their leases: all, or none.

    Args:
        session: the transaction.
        tokens: (job, attempt) pairs.
        lease_seconds: how long the leases now run.
        begun: whether this shows that the jobs have begun.

    Raises:
        StaleLease: when any token is no longer in force.
    """
    moment = now(session)
    rows = {
        row.id: row
        for row in session.scalars(
            select(JobRow)
            .where(JobRow.id.in_([job for job, _ in tokens]))
            .order_by(JobRow.priority.desc(), JobRow.study_id, JobRow.id)  # as `LOCK_ORDER`
            .with_for_update()
        )
    }
    for job, attempt in tokens:
        row = rows.get(job)
        if row is None or not in_force(row, attempt, moment):
            now_at = "gone" if row is None else f"{row.state} at attempt {row.attempt}"
            if row is not None and row.state == JobState.LEASED and row.attempt == attempt:
                now_at = "out of time"
            raise StaleLease(
                f"a lease must be in force, and (job {job}, attempt {attempt}) is not: the job is "
                f"{now_at}; drop it and lease anew"
            )
    for row in rows.values():
        row.expires_at = moment + lease_seconds
        row.begun = row.begun or begun
    return {row.id: queued_job(row) for row in rows.values()}


def in_force(row: JobRow, attempt: int, moment: float) -> bool:
    """Whether a lease holds under an attempt's token."""
    return (
        row.state == JobState.LEASED
        and row.attempt == attempt
        and row.expires_at is not None
        and row.expires_at >= moment
    )


def finish(session: Session, job_id: int, state: JobState) -> None:
    """Ends a job, as done or failed."""
    row = session.get_one(JobRow, job_id)
    row.state = transition(f"job {job_id}", JobState(row.state), state)
    row.expires_at = None


def payload(session: Session, job_id: int) -> Mapping[str, Any]:
    """What a job was queued with: the rows to predict."""
    found: Mapping[str, Any] = session.get_one(JobRow, job_id).payload
    return found


def set_result(session: Session, job_id: int, result: Mapping[str, Any]) -> None:
    """Stores a job's result, and removes its payload."""
    row = session.get_one(JobRow, job_id)
    row.result, row.payload = dict(result), {}


def delete_old_predictions(session: Session) -> None:
    """Deletes predictions that ended and were requested `PREDICTIONS_STORED_SECONDS` ago."""
    over = select(JobRow.id).where(
        JobRow.kind == JobKind.PREDICT,
        JobRow.state.in_((JobState.DONE, JobState.FAILED)),
        JobRow.created_at < now(session) - PREDICTIONS_STORED_SECONDS,
    )
    session.execute(delete(JobRow).where(JobRow.id.in_(over)))


def delete_of_ensemble(session: Session, ensemble_id: int) -> None:
    """Removes the jobs of an ensemble."""
    locked = session.scalars(
        select(JobRow.id)
        .where(JobRow.ensemble_id == ensemble_id)
        .order_by(JobRow.id)
        .with_for_update()
    ).all()
    session.execute(delete(JobRow).where(JobRow.id.in_(locked)))


def requeue(session: Session, job_id: int, *, lost: bool) -> QueuedJob:
    """Puts a job back into the queue as its next attempt; with `lost` counts a lost attempt."""
    row = session.get_one(JobRow, job_id)
    row.state = transition(f"job {job_id}", JobState(row.state), JobState.QUEUED)
    row.attempt += 1
    row.losses += lost
    row.begun = False
    row.worker_id = None
    row.expires_at = None
    return queued_job(row)


def set_priority(session: Session, study_id: int, priority: int) -> None:
    """Gives a study's queued and leased jobs its new priority."""
    session.execute(
        update(JobRow)
        .where(
            JobRow.study_id == study_id,
            JobRow.state.in_((JobState.QUEUED, JobState.LEASED)),
        )
        .values(priority=priority)
    )


def count_unfinished(session: Session, study_id: int) -> int:
    """How many of a study's jobs are queued or leased."""
    count: Any = session.scalar(
        select(func.count()).where(
            JobRow.study_id == study_id,
            JobRow.state.in_((JobState.QUEUED, JobState.LEASED)),
        )
    )
    return int(count)


def lock_unfinished(session: Session, study_id: int) -> list[QueuedJob]:
    """Locks a study's queued and leased jobs."""
    rows = session.scalars(
        select(JobRow)
        .where(
            JobRow.study_id == study_id,
            JobRow.state.in_((JobState.QUEUED, JobState.LEASED)),
        )
        .order_by(JobRow.id)
        .with_for_update()
    ).all()
    return [queued_job(row) for row in rows]


def status(session: Session, job_id: int) -> JobStatus:
    """The record of a job."""
    study_of(session, job_id)
    row = session.get_one(JobRow, job_id)
    number = None
    if row.trial_id is not None:
        number = session.get_one(TrialRow, row.trial_id).number
    result: dict[str, Any] | None = row.result
    return JobStatus(
        id=row.id,
        kind=JobKind(row.kind),
        state=JobState(row.state),
        attempt=row.attempt,
        study_id=row.study_id,
        trial=number,
        result=result,
    )


def queued_job(row: JobRow) -> QueuedJob:
    """A job's row as the service handles it, for the store's own modules."""
    return QueuedJob(
        id=row.id,
        kind=JobKind(row.kind),
        study_id=row.study_id,
        trial_id=row.trial_id,
        ensemble_id=row.ensemble_id,
        attempt=row.attempt,
        losses=row.losses,
        begun=row.begun,
        state=JobState(row.state),
        worker_id=row.worker_id,
    )
