"""What the end of a trial or an ensemble brings about: a study's next step, or its end.

complete   trials have trained to their end, as their workers say
finalize   whatever follows from jobs that have ended, for good or not

All work inside the caller's transaction, under the study's lock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy.orm import Session

from hpsearch.errors import InvalidInput
from hpsearch.search.stopping import ReachedLimit, budget_spent, limit_reached
from hpsearch.service import (
    cut_short,
    diagnosis,
    ensemble_requests,
    job_kinds,
    retention,
    suggestion,
)
from hpsearch.service.context import ServiceContext
from hpsearch.service.missing_values import no_value_end
from hpsearch.spec.language.messages import pluralize
from hpsearch.spec.language.states import (
    EndReason,
    EventKind,
    JobState,
    StudyState,
    TrialReason,
    TrialState,
    is_final,
)
from hpsearch.spec.wire.jobs import Completion, JobStatus
from hpsearch.spec.wire.records import StudyEnd
from hpsearch.store import (
    ensembles,
    events,
    jobs,
    leases,
    studies,
    study_progress,
    trials,
    workers,
)
from hpsearch.store.jobs import QueuedJob
from hpsearch.store.studies import LockedStudy

FINISHED = StudyEnd(reason=EndReason.FINISHED, message="every trial has ended")


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
    """Ends a job and its trial; of a trial that is over already takes what was still to come."""
    trial_id = job.required_trial_id
    jobs.finish(session, job.id, JobState.DONE)
    if study_progress.status(session, trial_id).is_over:
        study_progress.set_test_metrics(session, trial_id, completion.test_metrics)
    else:
        trials.finish(
            session,
            trial_id,
            completion.state,
            completion.reason,
            completion.message,
            completion.test_metrics,
        )
    if completion.training is not None:
        training = {"training": completion.training.model_dump()}
        trials.set_attributes(session, trial_id, training)


def finalize(
    session: Session,
    context: ServiceContext,
    study: LockedStudy,
    ended: Sequence[QueuedJob] = (),
    *,
    ensemble_deleted: bool = False,
) -> None:
    """Does what follows from the end of jobs.

    Ends the search when its trials are all over or a limit is reached, and the study when its
    ensembles are over too; else opens the next stage when its turn has come; queues the ensembles
    that now have all they need; removes the checkpoints that nothing needs any more.

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
        message = "no ensemble waits for it any more"
        cut_short.end_trials(session, study.id, TrialReason.STOPPED, message, unneeded)
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
    """Takes an open study as far as it can go: to its ensembles, to its end."""
    if not study.search_over and study.end is None:
        _end_search_if_due(session, study, state)
        study = studies.lock(session, study.id)
    if not study.search_over:
        if study.end is None or leases.count_ending(session, [study.id]):
            return
        _finish_search(session, study)
        study = studies.lock(session, study.id)
    _end_extra_trials_over_budget(session, study)
    if not ensemble_requests.has_open_automatic(session, study.id):
        _change_to_end(session, study, state)


def _change_to_end(session: Session, study: LockedStudy, state: StudyState) -> None:
    end = study.end or FINISHED
    # What has not begun cannot be complete.
    wanted = StudyState.STOPPED if state is StudyState.QUEUED else end.reason.state
    why = end.message
    if ensembles.counts(session, [study.id]):
        is_plain = end.reason is EndReason.FINISHED
        why = "its ensembles are over" if is_plain else f"{why}; its ensembles are over"
    studies.change_state(session, study.id, wanted, why)


def _end_extra_trials_over_budget(session: Session, study: LockedStudy) -> None:
    """Ends the trials that ensembles asked for once the study's budget is spent.

    They outlive the search, whose limits do not see them; ensembles make do with the trials that
    are complete.
    """
    if not trials.open_for_ensembles(session, study.id):
        return
    progress = study_progress.progress(session, study.id, study.spec, study.started_at)
    reached = budget_spent(study.spec.limits, progress)
    if reached is not None:
        _cut_short(session, study, reached)


def _end_search_if_due(session: Session, study: LockedStudy, state: StudyState) -> None:
    """Ends a search that has tried all its trials, or reached a limit; else opens due stages."""
    progress = study_progress.progress(session, study.id, study.spec, study.started_at)
    reached = limit_reached(study.spec.limits, progress, study.trials_planned)
    if reached is not None:
        end = StudyEnd(reason=reached.reason, limit=reached.limit, message=reached.message)
        studies.set_end(session, study.id, end)
        _cut_short(session, study, reached)
        return
    suggestion.open_due_stages(session, study)
    planned = studies.lock(session, study.id).trials_planned
    if progress.ended == planned and state in (StudyState.RUNNING, StudyState.PAUSED):
        no_value = no_value_end(session, study)
        studies.set_end(session, study.id, no_value or FINISHED)


def _cut_short(session: Session, study: LockedStudy, reached: ReachedLimit) -> None:
    """Ends what runs, and says in the log which limit was reached."""
    count = cut_short.end_trials(session, study.id, TrialReason.LIMIT, reached.message)
    events.add(
        session,
        study.id,
        EventKind.LIMIT_REACHED,
        reached.message
        + (f"; {pluralize(count, 'trial')} ended before the planned end" if count else ""),
        limit=reached.limit,
        trials=count,
    )


def _finish_search(session: Session, study: LockedStudy) -> None:
    """No more trials: warns of borders, and queues the ensembles of the spec."""
    studies.finish_search(session, study.id)
    diagnosis.warn_of_borders(session, study.id, study.spec)
    ensemble_requests.request_automatic(session, studies.lock(session, study.id))
