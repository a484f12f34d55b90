"""Trials ended before they have trained to their end: by a limit, a stop, or as nothing needs them.

A trial ends at its last reported epoch, at once and in this transaction. Where a worker trains it,
its job stays leased: the answer to the worker's next report says that the trial has ended and how
many of its epochs count, and the worker sends the best state of these, what it predicts and its
test scores. Once it has done so, or its lease has run out, the job is over; ensembles wait for it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy.orm import Session

from hpsearch.spec.language.states import JobKind, JobState, TrialReason, TrialState
from hpsearch.store import jobs, pruning_state, study_progress, trials
from hpsearch.store.study_progress import TrialStatus


@dataclass(frozen=True)
class TrialOutcome:
    """What a trial comes to that ends at its last reported epoch."""

    state: TrialState
    reason: TrialReason | None
    message: str | None


def end_trials(
    session: Session,
    study_id: int,
    reason: TrialReason,
    message: str,
    only: Collection[int] | None = None,
) -> int:
    """Ends a study's queued and running trials, or `only` those of these ids; returns how many.

    A trial that has reported an epoch is complete, else it has failed, with the reason. One that
    has trained to its end, or that diverged or was to be pruned, is what it would have become.
    """
    leased = [job for job in jobs.lock_unfinished(session, study_id) if job.kind is JobKind.TRIAL]
    found = study_progress.statuses(session, [job.required_trial_id for job in leased])
    ended = 0
    for job in leased:
        trial_id = job.required_trial_id
        if found[trial_id].is_over or (only is not None and trial_id not in only):
            continue
        outcome = outcome_of(session, trial_id, found[trial_id], reason, message)
        trials.finish(session, trial_id, outcome.state, outcome.reason, outcome.message)
        is_trained = job.state is JobState.LEASED and job.begun
        if not is_trained or outcome.state is TrialState.FAILED:
            jobs.finish(session, job.id, JobState.FAILED)
        ended += 1
    return ended


def outcome_of(
    session: Session, trial_id: int, trial: TrialStatus, reason: TrialReason, message: str
) -> TrialOutcome:
    """What a trial comes to that ends at its last reported epoch for a reason."""
    verdict = pruning_state.stop_reason(session, trial_id)
    if trial.diverged:
        return TrialOutcome(TrialState.PRUNED, TrialReason.DIVERGED, None)
    if verdict is not None:
        return TrialOutcome(TrialState.PRUNED, None, verdict)
    if trial.epochs_done == trial.inherited:
        return TrialOutcome(TrialState.FAILED, reason, message)
    if trial.epochs_done >= trial.epochs:
        return TrialOutcome(TrialState.COMPLETE, None, None)
    return TrialOutcome(TrialState.COMPLETE, reason, message)
