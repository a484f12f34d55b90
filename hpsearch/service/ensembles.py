"""What becomes of what was trained: ensembles are asked for, built and used; rubbish is removed.

The tuner's other half. Each method works inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from hpsearch.service import checkpoint_uploads, ensemble_jobs, retention
from hpsearch.service.tuner import Tuner
from hpsearch.spec.ensemble import EnsembleSpec
from hpsearch.spec.language.base import as_json
from hpsearch.spec.language.states import JobKind, JobState
from hpsearch.spec.wire.ensembles import Ensemble, JobTicket, PredictRequest, Progress
from hpsearch.spec.wire.jobs import (
    EnsembleUpload,
    GarbageCollectionRequest,
    JobStatus,
    PredictionAnswer,
    ProgressReport,
)
from hpsearch.spec.wire.records import GarbageCollection, GarbageItem
from hpsearch.store import checkpoints, ensembles, jobs, studies
from hpsearch.store.artifacts import StoredFile
from hpsearch.store.checkpoints import StoredArtifact


@dataclass(frozen=True)
class Combiner:
    """Ensembles of the studies that a tuner runs."""

    tuner: Tuner

    # What people ask for

    def request(self, session: Session, study_id: int, asked: EnsembleSpec) -> Ensemble:
        """Queues an ensemble."""
        study = studies.lock(session, study_id)
        return ensembles.get(session, ensemble_jobs.request(session, study, asked).id)

    def delete(self, session: Session, ensemble_id: int) -> None:
        """Removes an ensemble with its file; one that is not over is built no further."""
        study = studies.lock(session, ensembles.get_stored(session, ensemble_id).study_id)
        jobs.delete_of_ensemble(session, ensemble_id)
        key = ensembles.delete(session, ensemble_id)
        self.tuner.discard(session, [] if key is None else [key])
        self.tuner.settle(session, study)
        self.tuner.discard(session, retention.after_all(session, study))

    def ask(self, session: Session, ensemble_id: int, asked: PredictRequest) -> JobTicket:
        """Queues rows for an ensemble to predict."""
        return JobTicket(job=ensemble_jobs.ask(session, ensemble_id, asked.inputs))

    def collect(
        self, session: Session, files: Sequence[StoredFile], terms: GarbageCollectionRequest
    ) -> GarbageCollection:
        """Removes what nothing needs, or says what that would be.

        Args:
            session: the transaction.
            files: all there were in the artifact store before it began.
            terms: how.
        """
        gone = retention.unneeded_anywhere(session)
        sizes = {file.key: file.size_bytes for file in files}
        reasons = {
            key: f"study {one.checkpoint.study_id} does not keep the state of trial "
            f"{one.checkpoint.trial} after epoch {one.checkpoint.epoch}"
            for one, keys in gone
            for key in keys
        }
        strays = retention.strays(session, files, terms.older_than_seconds)
        reasons |= dict.fromkeys(strays, "nothing refers to it")
        found = [
            GarbageItem(key=key, size_bytes=sizes.get(key, 0), why=why)
            for key, why in reasons.items()
        ]
        if not terms.dry_run:
            removed = checkpoints.remove(session, [one.checkpoint.id for one, _ in gone])
            found = [one for one in found if one.key in {*removed, *strays}]
            self.tuner.discard(session, [one.key for one in found])
        return GarbageCollection(
            dry_run=terms.dry_run, files=found, size_bytes=sum(one.size_bytes for one in found)
        )

    # What workers say

    def advance(self, session: Session, job_id: int, progress: ProgressReport) -> JobStatus:
        """How far the building of an ensemble is; renews the lease."""
        token = (job_id, progress.attempt)
        job = jobs.renew(session, [token], self.tuner.lease_seconds)[job_id]
        job.check_kind(JobKind.ENSEMBLE)
        so_far = Progress(done=progress.done, total=progress.total, what=progress.what)
        ensembles.set_progress(session, job.required_ensemble_id, so_far)
        return jobs.status(session, job_id)

    def prefix(self, session: Session, job_id: int, attempt: int) -> str:
        """Whether an ensemble's file may come; the start of its artifact key."""
        return checkpoint_uploads.ensemble_prefix(
            session, job_id, attempt, self.tuner.lease_seconds
        )

    def finish(
        self, session: Session, job_id: int, built: EnsembleUpload, artifact: StoredArtifact
    ) -> JobStatus:
        """A worker has built an ensemble, whose file is whole."""
        study, job = self.tuner.hold(session, job_id, built.attempt)
        job.check_kind(JobKind.ENSEMBLE)
        jobs.finish(session, job_id, JobState.DONE)
        ensemble_jobs.finish(session, study, job.required_ensemble_id, built.result, artifact)
        self.tuner.settle(session, study, [job])
        return jobs.status(session, job_id)

    def answer(self, session: Session, job_id: int, said: PredictionAnswer) -> JobStatus:
        """A worker has predicted what it was asked."""
        token = (job_id, said.attempt)
        job = jobs.renew(session, [token], self.tuner.lease_seconds)[job_id]
        job.check_kind(JobKind.PREDICT)
        jobs.finish(session, job_id, JobState.DONE)
        jobs.set_result(session, job_id, as_json(said.result))
        return jobs.status(session, job_id)
