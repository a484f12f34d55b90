"""What workers and loops of one's own say to the server, and what it answers.

WorkerJoin, LeaseRequest, Job   how a worker gets work
Report, Completion, Failure     how it says what came of it; each carries the fencing token
                                (job, attempt), and an old token gets 409 and changes nothing
Advance, EnsembleUpload, PredictionAnswer  the same for ensembles
AskRequest, TrialReport, TrialEnd  the same for trials that somebody's own loop trains
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, Field

from hpsearch.spec.ensemble import EnsembleSpec
from hpsearch.spec.language.base import Record, SpecModel
from hpsearch.spec.language.distributions import Value
from hpsearch.spec.language.fields import Key, Metrics, Name, Sentence, Why, no_test, only_test
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
    """A worker process introduces itself; its identity is fresh each time."""

    name: Name
    """Host and process, for people."""
    version: Annotated[str, Field(max_length=50)]
    """hpsearch's version, which must be the server's."""
    labels: dict[Name, Name] = {}


class Worker(Record):
    """A worker and the terms it works on."""

    id: int
    name: str
    state: WorkerState
    lease_seconds: float
    """A lease not renewed for this long is given to another."""
    created_at: datetime
    seen_at: datetime


class LeaseRequest(SpecModel):
    """A worker asks for up to `capacity` jobs."""

    worker: Key
    capacity: Annotated[int, Field(ge=1, le=1024)] = 1
    labels: dict[Name, Name] = {}
    only: Literal[JobKind.PREDICT] | None = None
    """Leaves all but predictions alone: what a worker asks for between two epochs."""


class Resume(Record):
    """Where a trial goes on from."""

    checkpoint: int
    """Id of the checkpoint to load."""
    epoch: int
    """The last epoch it holds."""
    best_epoch: int | None
    best_value: float | None
    best_checkpoint: int | None
    """Id of the best epoch's, where it is kept."""
    inherited: bool = False
    """It is another trial's, which this one goes on with."""


class Leased(Record):
    """Work under a lease; (id, attempt) is its fencing token."""

    id: int
    attempt: int
    study_id: int


class Job(Leased):
    """A trial to train."""

    kind: Literal[JobKind.TRIAL] = JobKind.TRIAL
    trial: int
    """The trial's number."""
    epochs: int
    """The trial's planned length."""
    params: dict[str, Value]
    spec: dict[str, Any]
    """The study's spec; the params take the place of its distributions."""
    resume: Resume | None = None
    dataset: DatasetFile | None = None
    """The uploaded data set that the trial trains on."""
    repeats: Annotated[int, Field(ge=1, le=MOST_REPEATS)] | None = None
    """Runs of the trial, in place of the spec's `training.repeats`; none: as the spec says."""


class EnsembleJob(Leased):
    """An ensemble to build."""

    kind: Literal[JobKind.ENSEMBLE] = JobKind.ENSEMBLE
    ensemble: int
    """Its id."""
    request: EnsembleSpec
    spec: dict[str, Any]
    """The study's."""
    candidates: list[Candidate]
    """Checkpoints to choose from, by trial and epoch."""
    dataset: DatasetFile | None = None


class PredictJob(Leased):
    """Rows for an ensemble to predict."""

    kind: Literal[JobKind.PREDICT] = JobKind.PREDICT
    ensemble: int
    """Its id."""
    sha256: str
    """Of its file."""
    inputs: list[Any]


AnyJob: TypeAlias = Job | EnsembleJob | PredictJob


class JobList(Record):
    """Jobs just leased."""

    jobs: list[Annotated[AnyJob, Field(discriminator="kind")]]


class JobStatus(Record):
    """What became of a job."""

    id: int
    kind: JobKind
    state: JobState
    attempt: int
    study_id: int
    trial: int | None
    result: dict[str, Any] | None


class Token(SpecModel):
    """Proof of holding a lease."""

    job: Key
    attempt: Key


class Heartbeat(SpecModel):
    """Renews leases, all or none."""

    worker: Key
    jobs: Annotated[list[Token], Field(max_length=10_000)] = []


class Report(Token):
    """One epoch of one trial; epochs come in order, a repeat is a no-op."""

    epoch: Annotated[int, Field(ge=0, le=2**31 - 1)]
    metrics: Annotated[Metrics, AfterValidator(no_test)]


class ReportBatch(SpecModel):
    """Reports of one or several jobs: all are stored, or none."""

    worker: Key
    reports: Annotated[list[Report], Field(max_length=10_000)]


class JobDecision(Record):
    """Whether a job goes on."""

    job: int
    decision: Decision
    why: Why = None


class Decisions(Record):
    """One for each job of the request."""

    decisions: list[JobDecision]
    predictions_wait: Annotated[bool, Field(exclude_if=lambda waits: not waits)] = False
    """Rows wait for an ensemble to predict them, whatever their study."""


class Trained(SpecModel):
    """How a trial was trained; a trial keeps it in `attributes.training`."""

    group: Annotated[int, Field(ge=1)]
    """Trials that trained at once, this one included."""
    why: Sentence
    """What decided on that: measured times, memory."""


class Completion(SpecModel):
    """A trial came to its end."""

    attempt: Key
    state: TrialState = TrialState.COMPLETE
    reason: TrialReason | None = None
    message: Sentence | None = None
    training: Trained | None = None
    test_metrics: Annotated[Metrics, AfterValidator(only_test)] = {}
    """Scores of the best checkpoint on the test split; hidden but for the final best trial."""


class JobCompletion(Completion):
    """The end of one of several trials."""

    job: Key


class CompletionBatch(SpecModel):
    """Trials of one study came to their ends: all are stored, or none."""

    completions: Annotated[list[JobCompletion], Field(min_length=1, max_length=10_000)]


class JobStatusList(Record):
    """In the order of the request."""

    jobs: list[JobStatus]


class Advance(SpecModel):
    """How far a job is; renews its lease."""

    attempt: Key
    done: Annotated[int, Field(ge=0, le=2**31 - 1)]
    total: Annotated[int, Field(ge=0, le=2**31 - 1)]
    what: Sentence
    """What is being done."""


class EnsembleUpload(SpecModel):
    """An ensemble is built; its file was sent before."""

    attempt: Key
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    """Of the file."""
    result: EnsembleResult


class PredictionAnswer(SpecModel):
    """Rows were predicted."""

    attempt: Key
    result: PredictionResult


class Failure(SpecModel):
    """A job could not be done."""

    attempt: Key
    reason: FailureReason
    message: Sentence


class CollectRequest(SpecModel):
    """Asks for a garbage collection."""

    dry_run: bool = False
    """Only to say what would go."""
    older_than_seconds: Annotated[float, Field(ge=900, allow_inf_nan=False)] = 3600.0
    """Files that nothing refers to are left alone until they are so old: they may just be on their
    way."""


class GivenTrial(SpecModel):
    """A configuration to be tried."""

    params: dict[Name, Value]
    """A value for each parameter of the study's space."""


class GivenTrials(SpecModel):
    """Configurations to be tried beside those that a study plans."""

    trials: Annotated[list[GivenTrial], Field(min_length=1, max_length=1024)]


class TrialList(Record):
    """Some trials."""

    trials: list[Trial]


class AskRequest(SpecModel):
    """An external loop asks for trials."""

    count: Annotated[int, Field(ge=1, le=1024)] = 1


class AskedTrials(Record):
    """Trials to train; none when all are handed out."""

    trials: list[Trial]


class TrialReport(SpecModel):
    """One epoch of an external trial; (trial, attempt) is its fencing token."""

    attempt: Key
    epoch: Annotated[int, Field(ge=0, le=2**31 - 1)]
    metrics: Annotated[Metrics, AfterValidator(no_test)]


class Told(Record):
    """Whether an external trial goes on."""

    decision: Decision
    why: Why = None


class TrialEnd(SpecModel):
    """An external trial's end; without a value the best one reported counts."""

    attempt: Key
    value: float | None = None
    state: TrialState = TrialState.COMPLETE
    message: Sentence | None = None


class Renewal(Record):
    """The leases now run this much longer."""

    lease_seconds: float
