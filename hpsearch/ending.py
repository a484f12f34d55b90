"""How trials end that nobody completed, and how they are given to the next attempt."""

from __future__ import annotations

from sqlalchemy.orm import Session

from hpsearch.spec.states import EventKind, JobState, TrialReason, TrialState
from hpsearch.store import events, jobs, trials
from hpsearch.store.jobs import QueuedJob


def requeue(session: Session, job: QueuedJob, *, lost: bool) -> None:
    """Back to the queue, for the next attempt; a loss is counted against the trial."""
    again = jobs.requeue(session, job.id, lost=lost)
    trials.requeue(session, job.its_trial, again.attempt)


def fail(session: Session, job: QueuedJob, reason: TrialReason, message: str) -> None:
    """A trial has failed for good."""
    jobs.finish(session, job.id, JobState.FAILED)
    number = trials.end(session, job.its_trial, TrialState.FAILED, reason, message)
    events.add(
        session,
        job.study_id,
        EventKind.TRIAL_FAILED,
        f"trial {number} failed ({reason}): {message}",
        trial=number,
        reason=reason,
    )


def stop_open_trials(session: Session, study_id: int, message: str) -> None:
    """Ends what is queued or runs, as its study is over."""
    for job in jobs.take_unfinished(session, study_id):
        jobs.finish(session, job.id, JobState.FAILED)
        trials.end(session, job.its_trial, TrialState.FAILED, TrialReason.STOPPED, message)
