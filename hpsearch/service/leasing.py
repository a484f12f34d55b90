"""How jobs are leased to workers, and how a worker keeps its leases.

lease         up to so many jobs for a worker, from the most important studies on
queue         what one study has to hand out: queued jobs, and new trials as far as its limits allow
begin         which of its trials a worker may begin to train
renew         a worker's heartbeat
lock_leased   the gate for whatever ends a leased job

All work inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy.orm import Session

from hpsearch.search.stopping import Allowance
from hpsearch.service import prediction_jobs, resume, suggestion
from hpsearch.service.context import ServiceContext
from hpsearch.service.job_kinds import PAUSED_KINDS, STUDY_RULES
from hpsearch.spec.language.states import JobKind, StudyState, is_final
from hpsearch.spec.wire.jobs import (
    AnyJob,
    BeginRequest,
    BegunJobs,
    HeartbeatRequest,
    JobList,
    LeaseRequest,
)
from hpsearch.store import jobs, leases, studies, study_progress, trials, workers
from hpsearch.store.jobs import QueuedJob
from hpsearch.store.studies import LockedStudy


def lease(session: Session, context: ServiceContext, request: LeaseRequest) -> JobList:
    """Leases up to `capacity` jobs to a worker.

    A prediction comes first, and alone; else study after study, each one's queued jobs before new
    trials of its.

    Raises:
        NotFound: when the worker never joined.
        Conflict: when it has been set aside.
    """
    workers.check_active(session, request.worker)
    # Predictions' locks come before a study's lock, which must not be taken for them.
    leased: list[AnyJob] = [*prediction_jobs.lease(session, request.worker, context.lease_seconds)]
    if not leased and request.only is not JobKind.PREDICT:
        leased = _lease_from_studies(session, context, request)
    workers.mark_seen(session, request.worker)
    return JobList(jobs=leased)


def _lease_from_studies(
    session: Session, context: ServiceContext, request: LeaseRequest
) -> list[AnyJob]:
    answer: list[AnyJob] = []
    study: LockedStudy | None = None
    present = workers.count_present(session, context.lease_seconds)
    while len(answer) < request.capacity:
        study = studies.next_with_work(session, study, STUDY_RULES, PAUSED_KINDS)
        if study is None:
            break
        share = _fair_share(session, study, present)
        count = min(request.capacity - len(answer), share)
        paused = study.state is StudyState.PAUSED
        kinds = PAUSED_KINDS if paused else STUDY_RULES
        ids = queue(session, context, study, count, kinds)
        leased = jobs.lease(session, ids, request.worker, context.lease_seconds)
        for kind, rules in STUDY_RULES.items():
            answer += rules.start(session, study, [job for job in leased if job.kind is kind])
        if present > 1 and len(ids) == share:
            break  # the rest is for others; less important work can wait as well
    return answer


def _allowance(session: Session, study: LockedStudy) -> Allowance | None:
    """What the limits of a study still allow to be handed out; none where they allow all.

    They do not hold for what a person asks of a study that is over.
    """
    if not study.spec.limits.may_cut_short or is_final(study.state):
        return None
    progress = study_progress.progress(session, study.id, study.spec, study.started_at)
    return Allowance(study.spec.limits, progress)


def queue(
    session: Session,
    context: ServiceContext,
    study: LockedStudy,
    count: int,
    kinds: Collection[JobKind],
) -> list[int]:
    """Ids of up to `count` jobs to hand out: queued ones first, then those of new trials."""
    allowance = _allowance(session, study)
    ids = _queued(session, study, count, kinds, allowance)
    if study.state in studies.OPEN and not study.search_over:
        ids += _sample(session, context, study, count - len(ids), allowance)
    return ids


def _queued(
    session: Session,
    study: LockedStudy,
    count: int,
    kinds: Collection[JobKind],
    allowance: Allowance | None,
) -> list[int]:
    """Ids of up to `count` queued jobs; trials that the limits do not allow stay in the queue."""
    queued = jobs.lock_queued(session, study.id, count, kinds)
    if allowance is None:
        return [job.id for job in queued]
    trial_ids = [job.trial_id for job in queued if job.trial_id is not None]
    left = study_progress.epochs_left(session, trial_ids)
    return [job.id for job in queued if job.trial_id is None or allowance.take(left[job.trial_id])]


def _fair_share(session: Session, study: LockedStudy, workers_present: int) -> int:
    """How many of a study's jobs one worker may lease so that all workers can have as many."""
    unsampled = 0 if study.search_over else study.trials_open - study.trials_created
    allowance = _allowance(session, study) if unsampled > 0 else None
    if allowance is not None:
        unsampled = allowance.count(unsampled, suggestion.longest_epochs(study))
    unfinished = unsampled + jobs.count_unfinished(session, study.id)
    return max(1, -(-unfinished // max(1, workers_present)))


def _sample(
    session: Session,
    context: ServiceContext,
    study: LockedStudy,
    count: int,
    allowance: Allowance | None,
) -> list[int]:
    """Proposes up to `count` new trials of a study and queues them; returns their jobs' ids.

    There are none once the study is about to end, and fewer where its limits allow fewer.
    """
    if study.end is not None:
        return []
    if allowance is not None:
        count = allowance.count(count, suggestion.longest_epochs(study))
    new = suggestion.propose(session, context.samplers, study, count)
    if not new:
        return []
    trial_ids = trials.create(session, study.id, new)
    for trial, trial_id in zip(new, trial_ids, strict=True):
        if trial.continues is not None:
            resume.inherit(session, study.id, trial_id, trial.continues)
    return jobs.add(session, study.id, trial_ids, study.priority)


def renew(session: Session, context: ServiceContext, heartbeat: HeartbeatRequest) -> None:
    """Renews a worker's leases: all, or none.

    Raises:
        StaleLease: when one of them is no longer in force.
    """
    workers.check_active(session, heartbeat.worker)
    tokens = [(token.job, token.attempt) for token in heartbeat.jobs]
    jobs.renew(session, tokens, context.lease_seconds)
    workers.mark_seen(session, heartbeat.worker)


def begin(session: Session, context: ServiceContext, request: BeginRequest) -> BegunJobs:
    """Lets a worker begin to train trials that it holds, but for those that were taken back.

    Raises:
        NotFound: when the worker never joined.
        Conflict: when it has been set aside.
    """
    workers.check_active(session, request.worker)
    tokens = [(token.job, token.attempt) for token in request.jobs]
    begun = leases.begin(session, tokens, context.lease_seconds)
    return BegunJobs(jobs=sorted(begun))


def lock_leased(
    session: Session, context: ServiceContext, job_id: int, attempt: int
) -> tuple[LockedStudy, QueuedJob]:
    """Locks the study of a leased job and then the job, and renews the lease.

    Raises:
        NotFound: when there is no such job.
        StaleLease: when the lease is no longer in force.
    """
    study = studies.lock(session, jobs.study_of(session, job_id))
    return study, jobs.renew(session, [(job_id, attempt)], context.lease_seconds)[job_id]
