"""Ensembles as people and workers use them: requested, deleted, built.

All work inside the caller's transaction. Whatever ends the work on an ensemble finalizes its study.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from hpsearch.service import completion, ensemble_jobs, ensemble_requests, leasing
from hpsearch.service.context import ServiceContext
from hpsearch.spec.ensemble import EnsembleSpec
from hpsearch.spec.language.states import JobKind
from hpsearch.spec.wire.ensembles import BuildProgress, Ensemble
from hpsearch.spec.wire.jobs import EnsembleUpload, JobStatus, ProgressReport
from hpsearch.store import ensembles, jobs, studies
from hpsearch.store.checkpoints import StoredArtifact


def request(session: Session, study_id: int, spec: EnsembleSpec) -> Ensemble:
    """Queues an ensemble of a study that a person asks for."""
    study = studies.lock(session, study_id)
    return ensembles.get(session, ensemble_requests.request(session, study, spec))


def delete(session: Session, context: ServiceContext, ensemble_id: int) -> None:
    """Removes an ensemble with its file; one that is not over is built no further."""
    study = studies.lock(session, ensembles.get_stored(session, ensemble_id).study_id)
    jobs.delete_of_ensemble(session, ensemble_id)
    key = ensembles.delete(session, ensemble_id)
    context.artifacts.delete_on_commit(session, [] if key is None else [key])
    completion.finalize(session, context, study, ensemble_deleted=True)


def report_progress(
    session: Session, context: ServiceContext, job_id: int, report: ProgressReport
) -> JobStatus:
    """Stores how far the building of an ensemble is, and renews the lease."""
    job = jobs.renew(session, [(job_id, report.attempt)], context.lease_seconds)[job_id]
    job.check_kind(JobKind.ENSEMBLE)
    progress = BuildProgress(done=report.done, total=report.total, what=report.what)
    ensembles.set_progress(session, job.required_ensemble_id, progress)
    return jobs.status(session, job_id)


def finish(
    session: Session,
    context: ServiceContext,
    job_id: int,
    upload: EnsembleUpload,
    artifact: StoredArtifact,
) -> JobStatus:
    """A worker has built an ensemble, whose whole file is `artifact`."""
    study, job = leasing.lock_leased(session, context, job_id, upload.attempt)
    ensemble_jobs.finish(session, job, upload.result, artifact)
    completion.finalize(session, context, study, [job])
    return jobs.status(session, job_id)
