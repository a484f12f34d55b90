"""Jobs that do not end well: given back, failed, or their lease has expired."""

from __future__ import annotations

from sqlalchemy.orm import Session

from hpsearch.service import completion, job_kinds, leasing
from hpsearch.service.context import ServiceContext
from hpsearch.spec.language.states import (
    EventKind,
    FailureReason,
    JobState,
    StudyState,
    TrialReason,
    TrialState,
    is_final,
)
from hpsearch.spec.wire.jobs import Failure, JobStatus
from hpsearch.store import (
    events,
    jobs,
    leases,
    pruning_state,
    studies,
    study_progress,
    trials,
    workers,
)
from hpsearch.store.jobs import QueuedJob


def fail(session: Session, context: ServiceContext, job_id: int, failure: Failure) -> JobStatus:
    """A worker gives a job back undone: it is queued again, or fails for good, by the reason.

    Raises:
        StaleLease: when the lease is no longer in force.
    """
    study, job = leasing.lock_leased(session, context, job_id, failure.attempt)
    if _is_trial_over(session, job):
        # It has ended meanwhile; what its worker could still have sent never comes.
        jobs.finish(session, job.id, JobState.FAILED)
        completion.finalize(session, context, study, [job])
        return jobs.status(session, job_id)
    held_by_pause = job.kind in job_kinds.STUDY_RULES and job.kind not in job_kinds.PAUSED_KINDS
    if failure.reason is FailureReason.RELEASED:
        requeue(session, job, lost=False)
    elif (
        failure.reason is FailureReason.STORAGE_FULL and held_by_pause and not is_final(study.state)
    ):
        requeue(session, job, lost=False)
        if study.state in studies.OPEN:
            studies.change_state(session, study.id, StudyState.PAUSED, failure.message)
    elif failure.reason in (FailureReason.ERROR, FailureReason.STORAGE_FULL):
        # A pause would not hold this job back: without a count it would come again for ever.
        _lose(session, context, job, TrialReason.ERROR, failure.message)
    else:
        reason = (
            TrialReason.OUT_OF_MEMORY
            if failure.reason is FailureReason.OUT_OF_MEMORY
            else TrialReason.ERROR
        )
        _fail(session, job, reason, failure.message)
    completion.finalize(session, context, study, [job])
    if failure.reason is FailureReason.ERROR and job.trial_id is not None:
        workers.record_failure(session, job.worker_id, job.trial_id, failure.message)
    return jobs.status(session, job_id)


def expire(session: Session, context: ServiceContext, study_id: int) -> None:
    """Takes back every lease of a study that has run out, by the database's clock.

    The job's next attempt is queued in the same transaction, or the job fails if it was the last.
    The job of a trial that is over is over too.
    """
    study = studies.lock(session, study_id)
    expired = leases.lock_expired(session, study_id)
    for job in expired:
        if _is_trial_over(session, job):
            jobs.finish(session, job.id, JobState.FAILED)
            continue
        message = (
            f"worker {job.worker_id} let the lease (job {job.id}, attempt {job.attempt}) run out"
        )
        events.add(
            session, study_id, EventKind.LEASE_EXPIRED, message, job=job.id,
            attempt=job.attempt,
        )  # fmt: skip
        _lose(session, context, job, TrialReason.LOST, message)
    completion.finalize(session, context, study, expired)


def _lose(
    session: Session, context: ServiceContext, job: QueuedJob, reason: TrialReason, message: str
) -> None:
    """Counts a lost attempt: the job is queued again, or fails when it was the last one."""
    if job.losses + 1 < context.max_attempts:
        requeue(session, job, lost=True)
    else:
        _fail(session, job, reason, f"attempt {job.attempt}: {message}")


def _is_trial_over(session: Session, job: QueuedJob) -> bool:
    """Whether a job is leased for the sake of what its worker has yet to send alone."""
    return job.trial_id is not None and study_progress.status(session, job.trial_id).is_over


def requeue(session: Session, job: QueuedJob, *, lost: bool) -> None:
    """Queues a job again; a trial that its study's pruner has stopped ends instead."""
    if job.trial_id is not None:
        verdict = pruning_state.stop_reason(session, job.trial_id)
        if verdict is not None:
            jobs.finish(session, job.id, JobState.FAILED)
            trials.finish(session, job.trial_id, TrialState.PRUNED, None, verdict)
            return
    requeued = jobs.requeue(session, job.id, lost=lost)
    job_kinds.RULES[job.kind].requeue(session, requeued)


def _fail(session: Session, job: QueuedJob, reason: TrialReason, message: str) -> None:
    jobs.finish(session, job.id, JobState.FAILED)
    job_kinds.RULES[job.kind].fail(session, job, reason, message)
