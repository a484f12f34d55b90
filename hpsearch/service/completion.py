"""What the end of a trial or an ensemble brings about: a study's next step, or its end.

complete   trials have trained to their end, as their workers say
finalize   whatever follows from jobs that have ended, for good or not

All work inside the caller's transaction, under the study's lock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy.orm import Session

from hpsearch.errors import InvalidInput
from hpsearch.search.stopping import budget_spent, limit_reached
from hpsearch.service import (
    diagnosis,
    ensemble_requests,
    job_kinds,
    retention,
    suggestion,
    trial_jobs,
)
from hpsearch.service.context import ServiceContext
from hpsearch.spec.language.states import EventKind, JobState, StudyState, TrialState, is_final
from hpsearch.spec.wire.jobs import Completion, JobStatus
from hpsearch.store import ensembles, events, jobs, studies, trials, workers
from hpsearch.store.jobs import QueuedJob
from hpsearch.store.studies import LockedStudy


def complete(
    session: Session, context: ServiceContext, completions: Mapping[int, Completion]
) -> list[JobStatus]:
    """Ends trials of one study, all or none; returns their jobs' statuses in the given order.

    Args:
        session: the transaction.
        context: the service's.
        completions: by job id.

    Raises:
        InvalidInput: when a state is neither complete nor pruned, or the studies differ.
        StaleLease: when one of the leases is no longer in force.
    """
    for completion in completions.values():
        if completion.state not in (TrialState.COMPLETE, TrialState.PRUNED):
            raise InvalidInput.at(
                "state", f"must be complete or pruned, got {completion.state}; use :fail"
            )
    study = studies.lock(session, jobs.study_of(session, min(completions)))
    tokens = sorted((job, completion.attempt) for job, completion in completions.items())
    leased = jobs.renew(session, tokens, context.lease_seconds)
    if any(job.study_id != study.id for job in leased.values()):
        raise InvalidInput.at(
            "completions", "must be of one study's trials; send a request for each study"
        )
    for job_id, completion in completions.items():
        _finish_trial(session, leased[job_id], completion)
    finalize(session, context, study, list(leased.values()))
    for worker_id in {job.worker_id for job in leased.values()}:
        workers.record_success(session, worker_id)
    return [jobs.status(session, job_id) for job_id in completions]


def _finish_trial(session: Session, job: QueuedJob, completion: Completion) -> None:
    jobs.finish(session, job.id, JobState.DONE)
    trials.finish(
        session,
        job.required_trial_id,
        completion.state,
        completion.reason,
        completion.message,
        completion.test_metrics,
    )
    if completion.training is not None:
        training = {"training": completion.training.model_dump()}
        trials.set_attributes(session, job.required_trial_id, training)


def finalize(
    session: Session,
    context: ServiceContext,
    study: LockedStudy,
    ended: Sequence[QueuedJob] = (),
    *,
    ensemble_deleted: bool = False,
) -> None:
    """Does what follows from the end of jobs.

    Ends the study when its trials and ensembles are all over or a limit is reached, else opens the
    next stage when its turn has come; queues the ensembles that now have all they need; removes
    the checkpoints that nothing needs any more.

    Args:
        session: the transaction.
        context: the service's.
        study: the study, under its lock.
        ended: jobs of its that this transaction has ended.
        ensemble_deleted: whether this transaction has deleted one of its ensembles.
    """
    before = studies.get_state(session, study.id)
    if not is_final(before):
        _finalize_open(session, study, before)
    if unneeded := ensemble_requests.unneeded_trials(session, study.id):
        trial_jobs.stop_open(session, study.id, "no ensemble waits for it any more", unneeded)
    ensemble_requests.schedule_ready(session, study)
    is_over_now = is_final(studies.get_state(session, study.id)) and not is_final(before)
    if is_over_now or ensemble_deleted or any(_reads_checkpoints(job) for job in ended):
        retention.release_unneeded(session, context, study)
    else:
        trial_ids = [job.trial_id for job in ended if job.trial_id is not None]
        retention.release_unneeded_of_trials(session, context, study, trial_ids)


def _reads_checkpoints(job: QueuedJob) -> bool:
    rules = job_kinds.STUDY_RULES.get(job.kind)
    return rules is not None and rules.reads_checkpoints


def _finalize_open(session: Session, study: LockedStudy, state: StudyState) -> None:
    search_over = study.search_over or _finish_search_if_due(session, study, state)
    if search_over:
        _stop_extra_trials_over_budget(session, study)
    if search_over and not ensemble_requests.has_open_automatic(session, study.id):
        built = ensembles.counts(session, [study.id])
        why = "its ensembles are over" if built else "every trial has ended"
        studies.change_state(session, study.id, StudyState.COMPLETE, why)


def _stop_extra_trials_over_budget(session: Session, study: LockedStudy) -> None:
    """Stops the trials that ensembles asked for once the study's budget is spent.

    They outlive the search, whose limits do not see them; ensembles make do with the trials that
    are complete.
    """
    if not trials.open_for_ensembles(session, study.id):
        return
    progress = trials.progress(session, study.id, study.spec, study.started_at)
    message = budget_spent(study.spec.limits, progress)
    if message is not None and trial_jobs.stop_open(session, study.id, message):
        events.add(session, study.id, EventKind.LIMIT_REACHED, message)


def _finish_search_if_due(session: Session, study: LockedStudy, state: StudyState) -> bool:
    """Finishes a search that has tried all its trials, or reached a limit.

    Returns whether the study goes on to its ensembles; a limit that fails or stops the study ends
    it here.
    """
    progress = trials.progress(session, study.id, study.spec, study.started_at)
    limit = limit_reached(study.spec.limits, progress, study.trials_planned)
    if limit is not None:
        end, message = limit
        events.add(session, study.id, EventKind.LIMIT_REACHED, message)
        trial_jobs.stop_open(session, study.id, message)
        if state is StudyState.QUEUED:
            end = StudyState.STOPPED
        if end is StudyState.COMPLETE:
            _finish_search(session, study)
            return True
        studies.change_state(session, study.id, end, message)
        job_kinds.stop_all(session, study.id, message)
        return False
    suggestion.open_due_stages(session, study)
    planned = studies.lock(session, study.id).trials_planned
    is_over = progress.ended == planned and state in (StudyState.RUNNING, StudyState.PAUSED)
    if is_over:
        _finish_search(session, study)
    return is_over


def _finish_search(session: Session, study: LockedStudy) -> None:
    """No more trials: warns of borders, and queues the ensembles of the spec."""
    studies.finish_search(session, study.id)
    diagnosis.warn_of_borders(session, study.id, study.spec)
    ensemble_requests.request_automatic(session, studies.lock(session, study.id))
