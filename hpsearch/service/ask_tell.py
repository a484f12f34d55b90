"""Ask and tell: trials of an external study, which a user's own loop trains.

The loop asks for configurations, reports epochs if it has any (`reports.report_trial`), and
completes them with their value. Meanwhile a trial is leased under (trial, attempt) as a worker's
job is under (job, attempt): one that is not heard of for `task.timeout_seconds` is given to the
next who asks, and what comes late is refused.
"""

from __future__ import annotations

import math

from sqlalchemy.orm import Session

from hpsearch.errors import Conflict, InvalidInput
from hpsearch.service import completion, failures, leasing, trial_jobs
from hpsearch.service.context import ServiceContext
from hpsearch.spec.external import ExternalTask
from hpsearch.spec.language.states import (
    JobKind,
    JobState,
    StudyState,
    TrialReason,
    TrialState,
    is_final,
)
from hpsearch.spec.study import StudySpec
from hpsearch.spec.wire.jobs import AskRequest, TrialCompletion, TrialList
from hpsearch.spec.wire.records import Trial
from hpsearch.store import jobs, pruning_state, studies, trials
from hpsearch.store.jobs import QueuedJob


def ask(session: Session, context: ServiceContext, study_id: int, request: AskRequest) -> TrialList:
    """Leases up to `count` trials: requeued ones first, then new ones; none when all are leased.

    Raises:
        Conflict: when the study is not external, or was paused, stopped or failed.
    """
    study = studies.lock(session, study_id)
    task = external_task(study.spec, study_id)
    if study.state is StudyState.COMPLETE:
        return TrialList(trials=[])
    if study.state not in studies.OPEN:
        raise Conflict(
            f"a study must be open to be asked, and study {study_id} is {study.state}; "
            + ("resume it" if study.state is StudyState.PAUSED else "clone it")
        )
    ids = leasing.queue(session, context, study, request.count, [JobKind.TRIAL])
    leased = jobs.lease(session, ids, None, task.timeout_seconds)
    started = trial_jobs.mark_started(session, study, leased)
    return TrialList(
        trials=trials.of_numbers(session, study_id, [trial.number for trial in started])
    )


def complete(
    session: Session,
    context: ServiceContext,
    study_id: int,
    number: int,
    end: TrialCompletion,
) -> Trial:
    """Ends a trial, with its value unless its epochs have reported one; `queued` gives it back.

    A trial that is given back goes to the next who asks, as its next attempt.

    Raises:
        Conflict: when the study is not external, or the trial does not run.
        InvalidInput: when the state is no end, the value is not finite, or there is none.
        StaleLease: when the lease is no longer in force.
    """
    study = studies.lock(session, study_id)
    task = external_task(study.spec, study_id)
    state, value = end.state, end.value
    if state is TrialState.RUNNING:
        raise InvalidInput.at(
            "state", f"must be complete, pruned, failed, or queued to give it back, got {state}"
        )
    if value is not None and not math.isfinite(value):
        raise InvalidInput.at(
            "value", f"must be finite, got {value}; tell state failed or pruned instead"
        )
    job = renew(session, study_id, number, end.attempt, task)
    trial_id = job.required_trial_id
    if is_final(trials.get(session, study_id, number).state):
        jobs.finish(session, job.id, JobState.DONE)
        return trials.get(session, study_id, number)
    if state is TrialState.QUEUED:
        failures.requeue(session, job, lost=False)
        completion.finalize(session, context, study, [job])
        return trials.get(session, study_id, number)
    if value is not None:
        trials.set_value(session, trial_id, value)
    elif state is TrialState.COMPLETE and trials.best_value(session, trial_id) is None:
        raise InvalidInput.at("value", "is required when no epoch was reported; add it")
    failed = state is TrialState.FAILED
    jobs.finish(session, job.id, JobState.FAILED if failed else JobState.DONE)
    message = end.message
    if state is TrialState.PRUNED and message is None:
        message = pruning_state.stop_reason(session, trial_id)
    trials.finish(session, trial_id, state, TrialReason.ERROR if failed else None, message)
    completion.finalize(session, context, study)
    return trials.get(session, study_id, number)


def job_of(session: Session, study_id: int, number: int) -> int:
    """The id of the job of a trial.

    Raises:
        NotFound: when the study has none of this number.
    """
    return jobs.id_of_trial(session, trials.get(session, study_id, number).id)


def renew(
    session: Session, study_id: int, number: int, attempt: int, task: ExternalTask
) -> QueuedJob:
    """Locks the job of a leased trial and renews the lease.

    A trial that a limit or a stop has ended may be told of until its loop has completed it.

    Raises:
        Conflict: when the trial does not run.
        StaleLease: when the lease is no longer in force.
    """
    trial = trials.get(session, study_id, number)
    job_id = jobs.id_of_trial(session, trial.id)
    is_open = trial.state is TrialState.RUNNING
    if not is_open and is_final(trial.state):
        is_open = jobs.status(session, job_id).state is JobState.LEASED
    if not is_open:
        raise Conflict(
            f"a trial must be running to be told of, and trial {number} of study {study_id} "
            f"is {trial.state}; ask for another"
        )
    return jobs.renew(session, [(job_id, attempt)], task.timeout_seconds)[job_id]


def external_task(spec: StudySpec, study_id: int) -> ExternalTask:
    """The task of an external study.

    Raises:
        Conflict: when workers train the study's trials.
    """
    if not isinstance(spec.task, ExternalTask):
        raise Conflict(
            f"only an external study is asked and told, and study {study_id} is {spec.task.kind}; "
            "its trials are trained by workers"
        )
    return spec.task
