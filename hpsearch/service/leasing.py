"""How jobs are leased to workers, and how a worker keeps its leases.

lease         up to so many jobs for a worker, from the most important studies on
sample        new trials of a study, as queued jobs
renew         a worker's heartbeat
lock_leased   the gate for whatever ends a leased job

All work inside the caller's transaction.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from hpsearch.service import prediction_jobs, resume, suggestion
from hpsearch.service.context import ServiceContext
from hpsearch.service.job_kinds import PAUSED_KINDS, STUDY_RULES
from hpsearch.spec.language.states import JobKind, StudyState
from hpsearch.spec.wire.jobs import AnyJob, HeartbeatRequest, JobList, LeaseRequest
from hpsearch.store import jobs, studies, trials, workers
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
        ids = [job.id for job in jobs.lock_queued(session, study.id, count, kinds)]
        if study.state in studies.OPEN and not study.search_over:
            ids += sample(session, context, study, count - len(ids))
        leased = jobs.lease(session, ids, request.worker, context.lease_seconds)
        for kind, rules in STUDY_RULES.items():
            answer += rules.start(session, study, [job for job in leased if job.kind is kind])
        if present > 1 and len(ids) == share:
            break  # the rest is for others; less important work can wait as well
    return answer


def _fair_share(session: Session, study: LockedStudy, workers_present: int) -> int:
    """How many of a study's jobs one worker may lease so that all workers can have as many."""
    unsampled = 0 if study.search_over else study.trials_open - study.trials_created
    unfinished = unsampled + jobs.count_unfinished(session, study.id)
    return max(1, -(-unfinished // max(1, workers_present)))


def sample(session: Session, context: ServiceContext, study: LockedStudy, count: int) -> list[int]:
    """Proposes up to `count` new trials of a study and queues them; returns their jobs' ids."""
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
