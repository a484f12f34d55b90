"""The service's use cases in one place, for those who serve them.

The way of a trial: `lease` samples it when a worker asks; `report` stores its epochs;
`complete` or `fail` ends it; `expire` gives it to another worker when the first falls silent.
Each method works inside the caller's transaction. Whatever adds or ends trials locks the study
first, its jobs after and the worker last, always in this order, so that no two of them can wait
for each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from hpsearch.service import (
    ask_tell,
    checkpoint_uploads,
    completion,
    editing,
    ensemble_requests,
    ensembles,
    extension,
    extra_trials,
    failures,
    leasing,
    lifecycle,
    prediction_jobs,
    reports,
    retention,
    submission,
)
from hpsearch.service.context import ServiceContext
from hpsearch.spec.ensemble import EnsembleSpec
from hpsearch.spec.language.distributions import Value
from hpsearch.spec.study import StudySpec
from hpsearch.spec.wire.ensembles import Ensemble, JobTicket, PredictRequest
from hpsearch.spec.wire.extension import ExtendRequest
from hpsearch.spec.wire.jobs import (
    AskRequest,
    BeginRequest,
    BegunJobs,
    Completion,
    CompletionBatch,
    Decisions,
    EnsembleUpload,
    Failure,
    GarbageCollectionRequest,
    HeartbeatRequest,
    JobList,
    JobStatus,
    JobStatusList,
    LeaseRequest,
    PredictionAnswer,
    ProgressReport,
    ReportBatch,
    TrialCompletion,
    TrialDecision,
    TrialList,
    TrialReport,
)
from hpsearch.spec.wire.multipart import CheckpointPart
from hpsearch.spec.wire.records import Checkpoint, EditedStudy, GarbageCollection, Study, Trial
from hpsearch.store import studies, workers
from hpsearch.store.artifacts import StoredFile
from hpsearch.store.checkpoints import StoredArtifact

WORKER_LOST_AFTER_LEASES = 2
"""A worker counts as lost when it was silent for this many lease times."""


@dataclass(frozen=True)
class Tuner:
    """A facade: each method hands on to the module of its use case."""

    context: ServiceContext

    # Studies

    def submit(self, session: Session, spec: StudySpec) -> Study:
        """Queues a study."""
        return submission.submit(session, spec)

    def edit(self, session: Session, study_id: int, patch: Mapping[str, Any]) -> EditedStudy:
        """Changes the space or the budget of a study that is not over."""
        return editing.edit(session, self.context, study_id, patch)

    def add_trials(
        self, session: Session, study_id: int, configurations: Sequence[Mapping[str, Value]]
    ) -> list[Trial]:
        """Queues trials with given parameters, in addition to those that are planned."""
        return extra_trials.add_trials(session, study_id, configurations)

    def pause(self, session: Session, study_id: int) -> EditedStudy:
        """Hands out no more trials; running ones train to their end."""
        return lifecycle.pause(session, study_id)

    def resume(self, session: Session, study_id: int) -> Study:
        """Hands out the trials of a paused study again."""
        return lifecycle.resume(session, study_id)

    def stop(self, session: Session, study_id: int) -> Study:
        """Ends a study now; what its trials have reported stays."""
        return lifecycle.stop(session, self.context, study_id)

    def extend(self, session: Session, study_id: int, request: ExtendRequest) -> Study:
        """Gives a study that is complete or stopped more to do; it runs again."""
        return extension.extend(session, self.context, study_id, request)

    def delete(self, session: Session, study_id: int) -> None:
        """Removes a study that is over, with its artifacts."""
        lifecycle.delete(session, self.context, study_id)

    # Jobs

    def lease(self, session: Session, request: LeaseRequest) -> JobList:
        """Leases up to `capacity` jobs to a worker."""
        return leasing.lease(session, self.context, request)

    def heartbeat(self, session: Session, request: HeartbeatRequest) -> None:
        """Renews a worker's leases: all, or none."""
        leasing.renew(session, self.context, request)

    def begin(self, session: Session, request: BeginRequest) -> BegunJobs:
        """Lets a worker begin to train trials that it holds; renews their leases."""
        return leasing.begin(session, self.context, request)

    def report(self, session: Session, batch: ReportBatch) -> Decisions:
        """Stores a batch of epochs and says which trials continue; renews their leases."""
        return reports.report_jobs(session, self.context, batch)

    def complete(self, session: Session, job_id: int, request: Completion) -> JobStatus:
        """Ends a trial that trained to its end or was pruned."""
        return completion.complete(session, self.context, {job_id: request})[0]

    def complete_all(self, session: Session, batch: CompletionBatch) -> JobStatusList:
        """Ends several trials of one study: all, or none."""
        by_job: dict[int, Completion] = {request.job: request for request in batch.completions}
        return JobStatusList(jobs=completion.complete(session, self.context, by_job))

    def fail(self, session: Session, job_id: int, failure: Failure) -> JobStatus:
        """Takes back a job that its worker could not do."""
        return failures.fail(session, self.context, job_id, failure)

    # Housekeeping

    def expire(self, session: Session, study_id: int) -> None:
        """Takes back every lease of a study that has run out, by the database's clock."""
        failures.expire(session, self.context, study_id)

    def enforce_limits(self, session: Session, study_id: int) -> None:
        """Ends a study that has used up its time."""
        completion.finalize(session, self.context, studies.lock(session, study_id))

    def mark_lost_workers(self, session: Session) -> None:
        """Marks the workers that have been silent for too long."""
        workers.mark_silent_lost(session, WORKER_LOST_AFTER_LEASES * self.context.lease_seconds)

    def collect_garbage(
        self, session: Session, files: Sequence[StoredFile], request: GarbageCollectionRequest
    ) -> GarbageCollection:
        """Removes artifacts that nothing needs, of the `files` listed before the transaction."""
        return retention.collect_garbage(session, self.context, files, request)

    # Uploads

    def check_checkpoints(self, session: Session, parts: Sequence[CheckpointPart]) -> list[str]:
        """Whether a batch may be uploaded; returns the prefix of each part's artifact key."""
        return checkpoint_uploads.check(session, self.context, parts)

    def store_checkpoints(
        self, session: Session, uploaded: Sequence[tuple[CheckpointPart, StoredArtifact]]
    ) -> list[Checkpoint]:
        """Makes whole files visible as checkpoints and predictions of trials: all, or none."""
        return checkpoint_uploads.store(session, self.context, uploaded)

    def ensemble_key_prefix(self, session: Session, job_id: int, attempt: int) -> str:
        """The prefix of the artifact key of an ensemble that is about to be uploaded."""
        return checkpoint_uploads.ensemble_key_prefix(session, self.context, job_id, attempt)

    def remove_unreferenced(self, session: Session, artifact: StoredArtifact) -> None:
        """Deletes an uploaded file whose lease was lost meanwhile."""
        checkpoint_uploads.remove_unreferenced(session, self.context, artifact)

    # Ensembles

    def request_ensemble(self, session: Session, study_id: int, spec: EnsembleSpec) -> Ensemble:
        """Queues an ensemble of a study."""
        return ensemble_requests.request(session, study_id, spec)

    def delete_ensemble(self, session: Session, ensemble_id: int) -> None:
        """Removes an ensemble with its file; one that is not over is built no further."""
        ensembles.delete(session, self.context, ensemble_id)

    def report_progress(self, session: Session, job_id: int, report: ProgressReport) -> JobStatus:
        """Stores how far the building of an ensemble is, and renews the lease."""
        return ensembles.report_progress(session, self.context, job_id, report)

    def finish_ensemble(
        self, session: Session, job_id: int, upload: EnsembleUpload, artifact: StoredArtifact
    ) -> JobStatus:
        """Makes a built ensemble visible, whose whole file is `artifact`."""
        return ensembles.finish(session, self.context, job_id, upload, artifact)

    def predict(self, session: Session, ensemble_id: int, request: PredictRequest) -> JobTicket:
        """Queues rows for an ensemble to predict."""
        return prediction_jobs.request(session, ensemble_id, request)

    def finish_prediction(
        self, session: Session, job_id: int, answer: PredictionAnswer
    ) -> JobStatus:
        """Stores what a worker predicted."""
        return prediction_jobs.finish(session, self.context, job_id, answer)

    # External studies

    def ask(self, session: Session, study_id: int, request: AskRequest) -> TrialList:
        """Leases trials of an external study to a user's own loop."""
        return ask_tell.ask(session, self.context, study_id, request)

    def report_trial(
        self, session: Session, study_id: int, number: int, report: TrialReport
    ) -> TrialDecision:
        """Stores an epoch of an external trial and says whether it continues."""
        return reports.report_trial(session, self.context, study_id, number, report)

    def complete_trial(
        self, session: Session, study_id: int, number: int, request: TrialCompletion
    ) -> Trial:
        """Ends an external trial, with its value unless its epochs have reported one."""
        return ask_tell.complete(session, self.context, study_id, number, request)
