"""Trials that have not begun when their study is edited or paused: taken back, and made anew.

take_back     what workers hold and have not begun is queued again
renew         queued trials that have not begun get the new version of the spec

A worker says when it begins to train (`leasing.begin`) and learns there what was taken back; what
it still says of an old lease is refused, so nobody waits for it. All work inside the caller's
transaction, under the study's lock.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from hpsearch.errors import InvalidInput
from hpsearch.service import suggestion
from hpsearch.service.context import ServiceContext
from hpsearch.spec.language.states import JobKind, JobState, TrialReason, TrialState
from hpsearch.spec.space.space import search_space
from hpsearch.store import jobs, study_progress, trials, unbegun_trials
from hpsearch.store.studies import LockedStudy
from hpsearch.store.unbegun_trials import UnbegunTrial


def take_back(session: Session, study_id: int) -> int:
    """Queues the trials again that workers hold and have not begun; returns how many."""
    held = [
        job
        for job in jobs.lock_unfinished(session, study_id)
        if job.kind is JobKind.TRIAL and job.state is JobState.LEASED and not job.begun
    ]
    found = study_progress.statuses(session, [job.required_trial_id for job in held])
    returned = [job for job in held if not found[job.required_trial_id].is_over]
    for job in returned:
        requeued = jobs.requeue(session, job.id, lost=False)
        trials.requeue(session, requeued.required_trial_id, requeued.attempt)
    return len(returned)


def renew(
    session: Session,
    context: ServiceContext,
    study: LockedStudy,
    *,
    same_space: bool,
    excess: int,
) -> None:
    """Gives the queued trials that have not begun the study's present version.

    Those that the sampler proposed are proposed again where the space has changed; others, and
    those that the sampler cannot propose before more trials have ended, keep their configuration,
    and their version where it is not one of the new space. Those that are too many by now end
    untrained.

    Args:
        session: the transaction.
        context: the service's.
        study: the study, as it is after the edit.
        same_space: whether the space, and the box of the present stage, are as before.
        excess: how many trials more than it plans by now the present stage has.
    """
    waiting = unbegun_trials.queued(session, study.id, study.stage)
    waiting = _without_excess(session, waiting, excess)
    space = search_space(study.spec)
    sampled = [] if same_space else [trial for trial in waiting if trial.proposal is not None]
    proposals = suggestion.propose_again(
        session, context.samplers, study, [trial.proposal or 0 for trial in sampled]
    )
    for trial, params in zip(sampled, proposals, strict=False):
        epochs = suggestion.present_stage(session, study).plan.epochs
        unbegun_trials.replace(
            session,
            trial.id,
            study.version,
            params,
            epochs or suggestion.epochs_of(study.spec, params),
        )
    replaced = {trial.id for trial in sampled[: len(proposals)]}
    for trial in waiting:
        if trial.id not in replaced:
            try:
                space.check(trial.params)
            except InvalidInput:
                continue
            unbegun_trials.set_version(session, trial.id, study.version)


def _without_excess(
    session: Session, waiting: list[UnbegunTrial], excess: int
) -> list[UnbegunTrial]:
    """Ends so many of the trials that the sampler proposed, the last ones first."""
    sampled = [trial for trial in waiting if trial.proposal is not None]
    ended = sampled[max(0, len(sampled) - excess) :]
    for trial in ended:
        jobs.finish(session, jobs.id_of_trial(session, trial.id), JobState.FAILED)
        trials.finish(
            session,
            trial.id,
            TrialState.FAILED,
            TrialReason.STOPPED,
            "the study was edited to have fewer trials before it began",
        )
    return [trial for trial in waiting if trial not in ended]
