"""How trials and ensembles are handed out: to workers that lease them, to loops that ask for them.

lease    up to so many jobs for a worker, from the most important studies on
sample   new trials of a study, as queued jobs
start    leased trials run from now on; what each needs

All work inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from hpsearch.service import ensemble_jobs, resume, suggestion
from hpsearch.service.suggestion import Memory
from hpsearch.spec.language.states import JobKind, StudyState
from hpsearch.spec.wire.jobs import AnyJob, Job, LeaseRequest
from hpsearch.store import jobs, studies, trials, versions, workers
from hpsearch.store.jobs import QueuedJob
from hpsearch.store.studies import LockedStudy


def lease(
    session: Session, memory: Memory, request: LeaseRequest, lease_seconds: float
) -> list[AnyJob]:
    """A prediction that somebody waits for; else a study's given-back trials and ensembles, then
    new trials, up to `capacity`.
    """  # noqa: D205
    # Their locks come before a study's, which must not be.
    waiting = _lease_prediction(session, request, lease_seconds)
    if waiting or request.only is JobKind.PREDICT:
        return waiting
    answer: list[AnyJob] = []
    study: LockedStudy | None = None
    present = workers.count_present(session, lease_seconds)
    while len(answer) < request.capacity:
        study = studies.next_with_work(session, after=study)
        if study is None:
            break
        share = _fair_share(session, study, present)
        count = min(request.capacity - len(answer), share)
        paused = study.state is StudyState.PAUSED
        taken = [job.id for job in jobs.lock_queued(session, study.id, count, trials=not paused)]
        if study.state in studies.OPEN and not study.search_over:
            taken += sample(session, memory, study, count - len(taken))
        leased = jobs.lease(session, taken, request.worker, lease_seconds)
        answer += _start(session, study, leased)
        if present > 1 and len(taken) == share:
            break  # the rest is for others; less important work can wait as well
    return answer


def _lease_prediction(
    session: Session, request: LeaseRequest, lease_seconds: float
) -> list[AnyJob]:
    """One alone, as it may bring many rows along."""
    waiting = [job.id for job in jobs.lock_queued_predictions(session, 1)]
    leased = jobs.lease(session, waiting, request.worker, lease_seconds)
    return [ensemble_jobs.prediction_of(session, job) for job in leased]


def _fair_share(session: Session, study: LockedStudy, workers_present: int) -> int:
    """So many of a study's trials may one worker take that all can have as many."""
    to_come = 0 if study.search_over else study.trials_open - study.trials_created
    left = to_come + jobs.count_unfinished(session, study.id)
    return max(1, -(-left // max(1, workers_present)))


def sample(session: Session, memory: Memory, study: LockedStudy, count: int) -> list[int]:
    """New trials of a study, as queued jobs; returns the jobs' ids."""
    new = suggestion.propose(session, memory, study, count)
    if not new:
        return []
    trial_ids = trials.create(session, study.id, new)
    for trial, trial_id in zip(new, trial_ids, strict=True):
        if trial.continues is not None:
            resume.inherit(session, study.id, trial_id, trial.continues)
    return jobs.add(session, study.id, trial_ids, study.priority)


def _start(session: Session, study: LockedStudy, leased: Sequence[QueuedJob]) -> list[AnyJob]:
    to_build = [job for job in leased if job.kind is JobKind.ENSEMBLE]
    return [
        *start(session, study, [job for job in leased if job.kind is JobKind.TRIAL]),
        *(ensemble_jobs.job_of(session, job, study) for job in to_build),
    ]


def start(session: Session, study: LockedStudy, leased: Sequence[QueuedJob]) -> list[Job]:
    """Marks leased trials as running and says what each needs."""
    if not leased:
        return []
    if study.state is StudyState.QUEUED:
        studies.change_state(
            session, study.id, StudyState.RUNNING, "its first trial was handed out"
        )
    started = trials.start(session, [job.required_trial_id for job in leased])
    documents = {
        version: versions.spec_of(session, study.id, version).model_dump(mode="json")
        for version in {trial.version for trial in started}
    }
    dataset = ensemble_jobs.dataset_of(session, study.spec)
    return [
        Job(
            id=job.id,
            attempt=job.attempt,
            study_id=study.id,
            trial=trial.number,
            epochs=trial.epochs,
            repeats=trial.repeats or study.spec.search.repeats_in(trial.stage),
            params=dict(trial.params),
            spec=documents[trial.version],
            resume=resume.resume_point(session, job, study, trial.continues),
            dataset=dataset,
        )
        for job, trial in zip(leased, started, strict=True)
    ]
