"""How jobs end that nobody completed, and how they are given to the next attempt."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy.orm import Session

from hpsearch.service import ensemble_jobs
from hpsearch.spec.language.states import EventKind, JobKind, JobState, TrialReason, TrialState
from hpsearch.store import ensembles, events, jobs, trials
from hpsearch.store.jobs import QueuedJob


def requeue(session: Session, job: QueuedJob, *, lost: bool) -> None:
    """Back to the queue, for the next attempt; a loss is counted against the job."""
    again = jobs.requeue(session, job.id, lost=lost)
    if job.kind is JobKind.TRIAL:
        trials.requeue(session, job.required_trial_id, again.attempt)
    elif job.kind is JobKind.ENSEMBLE:
        ensembles.requeue(session, job.required_ensemble_id)


def fail(session: Session, job: QueuedJob, reason: TrialReason, message: str) -> None:
    """A job has failed for good."""
    jobs.finish(session, job.id, JobState.FAILED)
    if job.kind is JobKind.ENSEMBLE:
        ensemble_jobs.give_up(session, job.study_id, job.required_ensemble_id, message)
    elif job.kind is JobKind.PREDICT:
        jobs.set_result(session, job.id, {"error": message})
    else:
        _fail_trial(session, job, reason, message)


def _fail_trial(session: Session, job: QueuedJob, reason: TrialReason, message: str) -> None:
    number = trials.finish(session, job.required_trial_id, TrialState.FAILED, reason, message)
    events.add(
        session,
        job.study_id,
        EventKind.TRIAL_FAILED,
        f"trial {number} failed ({reason}): {message}",
        trial=number,
        reason=reason,
    )


def stop_open_trials(
    session: Session, study_id: int, message: str, only: Collection[int] | None = None
) -> int:
    """Ends the trials that are queued or run, or `only` some of them by id; returns how many."""
    stopped = 0
    for job in jobs.lock_unfinished(session, study_id):
        if job.kind is JobKind.TRIAL and (only is None or job.trial_id in only):
            jobs.finish(session, job.id, JobState.FAILED)
            trials.finish(
                session, job.required_trial_id, TrialState.FAILED, TrialReason.STOPPED, message
            )
            stopped += 1
    return stopped


def stop_ensembles(session: Session, study_id: int, message: str) -> None:
    """Ends the ensembles that are not over, and what they wait for."""
    for job in jobs.lock_unfinished(session, study_id):
        if job.kind is JobKind.ENSEMBLE:
            jobs.finish(session, job.id, JobState.FAILED)
    ensemble_jobs.stop(session, study_id, message)
