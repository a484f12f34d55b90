"""Requests of workers and of a user's own training loop, and the server's answers.

WorkerJoin, LeaseRequest      how a worker gets work
Job, EnsembleJob, PredictJob  leased work, by kind
BeginRequest                  before it trains some of it
Report, Completion, Failure   what came of it; each carries the fencing token (job, attempt), and
                              an outdated token gets 409 and changes nothing
ProgressReport, EnsembleUpload, PredictionAnswer
                              what came of ensemble and prediction jobs
AskRequest, TrialReport, TrialCompletion
                              trials of an external study, which a user's own loop trains
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, Field

from hpsearch.spec.ensemble import EnsembleSpec
from hpsearch.spec.language.base import Record, SpecModel
from hpsearch.spec.language.distributions import Value
from hpsearch.spec.language.fields import (
    Key,
    Metrics,
    Name,
    Sentence,
    Why,
    refuse_test_metrics,
    require_test_metrics,
)
from hpsearch.spec.language.states import (
    Decision,
    FailureReason,
    JobKind,
    JobState,
    TrialReason,
    TrialState,
    WorkerState,
)
from hpsearch.spec.training import MOST_REPEATS
from hpsearch.spec.wire.ensembles import Candidate, EnsembleResult, PredictionResult
from hpsearch.spec.wire.records import Trial
from hpsearch.spec.wire.upload import DatasetFile


class WorkerJoin(SpecModel):
    """A worker process registers; it gets a new identity each time it starts."""

    name: Name
    """Host and process, for people."""
    version: Annotated[str, Field(max_length=50)]
    """hpsearch's version, which must be the server's."""
    labels: dict[Name, Name] = {}


class Worker(Record):
    """A registered worker and how long its leases run."""

    id: int
    name: str
    state: WorkerState
    lease_seconds: float
    """A lease that is not renewed for this long expires."""
    created_at: datetime
    seen_at: datetime


class LeaseRequest(SpecModel):
    """A worker asks for up to `capacity` jobs."""

    worker: Key
    capacity: Annotated[int, Field(ge=1, le=1024)] = 1
    labels: dict[Name, Name] = {}
    only: Literal[JobKind.PREDICT] | None = None
    """Lease predictions alone: what a worker asks for between two epochs of training."""


class ResumePoint(Record):
    """The checkpoint that a trial resumes from."""

    checkpoint: int
    """Id of the checkpoint to load."""
    epoch: int
    """The last epoch it holds."""
    best_epoch: int | None
    best_value: float | None
    best_checkpoint: int | None
    """Id of the best epoch's checkpoint; none where it is not stored."""
    inherited: bool = False
    """The checkpoint is another trial's, which this trial continues."""


class LeasedJob(Record):
    """A job that a worker holds a lease on; (id, attempt) is the fencing token."""

    id: int
    attempt: int
    study_id: int


class Job(LeasedJob):
    """A trial to train."""

    kind: Literal[JobKind.TRIAL] = JobKind.TRIAL
    trial: int
    """The trial's number."""
    epochs: int
    """The trial's planned length."""
    params: dict[str, Value]
    spec: dict[str, Any]
    """The study's spec, whose distributions `params` replaces by values."""
    resume: ResumePoint | None = None
    dataset: DatasetFile | None = None
    """The uploaded data set that the trial trains on."""
    repeats: Annotated[int, Field(ge=1, le=MOST_REPEATS)] | None = None
    """Runs of the trial, in place of the spec's `training.repeats`; none: as the spec says."""


class EnsembleJob(LeasedJob):
    """An ensemble to build."""

    kind: Literal[JobKind.ENSEMBLE] = JobKind.ENSEMBLE
    ensemble: int
    """Id of the ensemble."""
    request: EnsembleSpec
    spec: dict[str, Any]
    """The study's spec."""
    candidates: list[Candidate]
    """Checkpoints to choose from, by trial and epoch."""
    dataset: DatasetFile | None = None


class PredictJob(LeasedJob):
    """Rows for an ensemble to predict."""

    kind: Literal[JobKind.PREDICT] = JobKind.PREDICT
    ensemble: int
    """Id of the ensemble."""
    sha256: str
    """Of the ensemble's file."""
    inputs: list[Any]
    strict: bool = False
    """Refuse rows that hold a category which no training row had."""


AnyJob: TypeAlias = Job | EnsembleJob | PredictJob


class JobList(Record):
    """Jobs just leased."""

    jobs: list[Annotated[AnyJob, Field(discriminator="kind")]]


class JobStatus(Record):
    """A job's state, and its result once it is done."""

    id: int
    kind: JobKind
    state: JobState
    attempt: int
    study_id: int
    trial: int | None
    result: dict[str, Any] | None


class LeaseToken(SpecModel):
    """Fencing token: which attempt of which job a worker holds a lease on."""

    job: Key
    attempt: Key


class HeartbeatRequest(SpecModel):
    """Renews leases, all or none."""

    worker: Key
    jobs: Annotated[list[LeaseToken], Field(max_length=10_000)] = []


class BeginRequest(SpecModel):
    """A worker is about to train leased trials."""

    worker: Key
    jobs: Annotated[list[LeaseToken], Field(min_length=1, max_length=10_000)]


class BegunJobs(Record):
    """Those of the jobs that the worker may train."""

    jobs: list[int]
    """Ids; the others were taken back before they began."""


class Report(LeaseToken):
    """One epoch of one trial; epochs come in order, a repeat is a no-op."""

    epoch: Annotated[int, Field(ge=0, le=2**31 - 1)]
    metrics: Annotated[Metrics, AfterValidator(refuse_test_metrics)]


class ReportBatch(SpecModel):
    """Reports of one or several jobs: all are stored, or none."""

    worker: Key
    reports: Annotated[list[Report], Field(max_length=10_000)]


class TrialEnding(Record):
    """A trial that ended at its last reported epoch, while its worker trained on."""

    state: TrialState
    reason: TrialReason | None
    epochs: int
    """Epochs of it that count; what its worker has trained beyond them is not stored."""


class JobDecision(Record):
    """Whether a trial's job continues."""

    job: int
    decision: Decision
    why: Why = None
    ended: Annotated[TrialEnding | None, Field(exclude_if=lambda ended: ended is None)] = None
    """How the trial has ended already; none where its worker is to end it."""


class Decisions(Record):
    """A decision for each job of the request, by job id."""

    decisions: list[JobDecision]
    predictions_wait: Annotated[bool, Field(exclude_if=lambda waits: not waits)] = False
    """Whether prediction jobs, of any study, are queued."""


class TrainingInfo(SpecModel):
    """How a trial was trained; stored as the trial's `attributes.training`."""

    group: Annotated[int, Field(ge=1)]
    """Trials that trained together, this one included."""
    why: Sentence
    """What the group's size was decided by: measured times, memory."""


class Completion(SpecModel):
    """A trial has finished."""

    attempt: Key
    state: TrialState = TrialState.COMPLETE
    reason: TrialReason | None = None
    message: Sentence | None = None
    training: TrainingInfo | None = None
    test_metrics: Annotated[Metrics, AfterValidator(require_test_metrics)] = {}
    """Scores of the best checkpoint on the test split; shown only for the best trial of a finished
    study."""


class JobCompletion(Completion):
    """The completion of one of several jobs."""

    job: Key


class CompletionBatch(SpecModel):
    """Completions of several trials of one study: all are stored, or none."""

    completions: Annotated[list[JobCompletion], Field(min_length=1, max_length=10_000)]


class JobStatusList(Record):
    """Statuses of jobs, in the order of the request."""

    jobs: list[JobStatus]


class ProgressReport(SpecModel):
    """How far an ensemble job is; renews its lease."""

    attempt: Key
    done: Annotated[int, Field(ge=0, le=2**31 - 1)]
    total: Annotated[int, Field(ge=0, le=2**31 - 1)]
    what: Sentence
    """The step that is under way, for people."""


class EnsembleUpload(SpecModel):
    """An ensemble has been built; the header of the request that carries its file."""

    attempt: Key
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    """Of the ensemble's file."""
    result: EnsembleResult


class PredictionAnswer(SpecModel):
    """The answer to a prediction job."""

    attempt: Key
    result: PredictionResult


class Failure(SpecModel):
    """A worker gives a job back undone."""

    attempt: Key
    reason: FailureReason
    message: Sentence


class GarbageCollectionRequest(SpecModel):
    """Asks the server to remove artifacts that nothing needs."""

    dry_run: bool = False
    """List what would be removed, and remove nothing."""
    older_than_seconds: Annotated[float, Field(ge=900, allow_inf_nan=False)] = 3600.0
    """Files that nothing refers to are removed only at this age: a younger one may be in the middle
    of an upload."""


class TrialConfiguration(SpecModel):
    """A configuration to train."""

    params: dict[Name, Value]
    """A value for each parameter of the study's space."""


class EnqueueRequest(SpecModel):
    """Configurations to train in addition to those that the study's sampler proposes."""

    trials: Annotated[list[TrialConfiguration], Field(min_length=1, max_length=1024)]


class TrialList(Record):
    """Trials in the order of the request; empty when `:ask` finds none to hand out."""

    trials: list[Trial]


class AskRequest(SpecModel):
    """A user's own training loop asks for trials of an external study."""

    count: Annotated[int, Field(ge=1, le=1024)] = 1


class TrialReport(SpecModel):
    """One epoch of an external trial; (trial, attempt) is its fencing token."""

    attempt: Key
    epoch: Annotated[int, Field(ge=0, le=2**31 - 1)]
    metrics: Annotated[Metrics, AfterValidator(refuse_test_metrics)]


class TrialDecision(Record):
    """Whether an external trial continues."""

    decision: Decision
    why: Why = None


class TrialCompletion(SpecModel):
    """An external trial has finished; without a value its best reported one counts.

    With the state `queued` it is given back: the next who asks gets it.
    """

    attempt: Key
    value: float | None = None
    state: TrialState = TrialState.COMPLETE
    message: Sentence | None = None


class LeaseRenewal(Record):
    """Answer to a heartbeat."""

    lease_seconds: float
    """The leases run this much longer from now."""
