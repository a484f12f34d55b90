"""What becomes of an ensemble: built, or deleted; `ensemble_requests` queues it.

All work inside the caller's transaction. Whatever ends the work on an ensemble finalizes its study.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from hpsearch.service import completion, leasing
from hpsearch.service.context import ServiceContext
from hpsearch.spec.language.base import as_json
from hpsearch.spec.language.messages import pluralize
from hpsearch.spec.language.states import EventKind, JobKind, JobState
from hpsearch.spec.wire.ensemble_comparison import compare
from hpsearch.spec.wire.ensembles import BuildProgress, EnsembleResult
from hpsearch.spec.wire.jobs import EnsembleUpload, JobStatus, ProgressReport
from hpsearch.store import ensembles, events, jobs, studies
from hpsearch.store.checkpoints import StoredArtifact


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
    """The ensemble is complete and its file, `artifact`, visible; the log says how good it is.

    Raises:
        StaleLease: when the job is not the worker's any more.
        Conflict: when the job builds no ensemble.
    """
    study, job = leasing.lock_leased(session, context, job_id, upload.attempt)
    job.check_kind(JobKind.ENSEMBLE)
    jobs.finish(session, job.id, JobState.DONE)
    result = upload.result
    ensembles.finish(session, job.required_ensemble_id, result, artifact)
    ensemble = ensembles.get(session, job.required_ensemble_id)
    events.add(
        session,
        job.study_id,
        EventKind.ENSEMBLE_COMPLETE,
        f"ensemble {ensemble.id} ({ensemble.kind}) of {pluralize(len(result.members), 'member')}: "
        + _comparison(result)
        + (f"; {'; '.join(result.warnings[:3])}" if result.warnings else ""),
        ensemble=ensemble.id,
        validation=as_json(result)["validation"],
    )
    completion.finalize(session, context, study, [job])
    return jobs.status(session, job_id)


def _comparison(result: EnsembleResult) -> str:
    """How the ensemble compares with the best single trial by the study's objective."""
    compared = compare(result)
    return "it is built" if compared is None else compared.sentence
