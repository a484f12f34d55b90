"""What travels between server, worker and client.

Study, Trial, Curve, Event      what people read
WorkerJoin, LeaseRequest, Job   how a worker gets work
Report, Completion, Failure     how it says what came of it; each carries the fencing token
                                (job, attempt), and an old token gets 409 and changes nothing
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from hpsearch.spec.base import Record, SpecModel
from hpsearch.spec.distributions import Value
from hpsearch.spec.states import (
    Decision,
    EventKind,
    FailureReason,
    JobKind,
    JobState,
    StudyState,
    TrialReason,
    TrialState,
    WorkerState,
)
from hpsearch.spec.training import MOST_REPEATS
from hpsearch.spec.upload import DatasetFile


def _printable(name: str) -> str:
    if not name.isprintable():
        raise PydanticCustomError(
            "unprintable", "must hold printable characters alone; remove the others"
        )
    return name


Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_printable)]

Metrics = dict[Name, float]
"""Numbers by metric name; NaN and ±inf travel as "NaN", "Infinity", "-Infinity"."""

Key = Annotated[int, Field(ge=1, le=2**31 - 1)]
"""An id, or an attempt."""

Why = Annotated[
    str | None,
    Field(exclude_if=lambda why: why is None, description="In a sentence, where it is to stop."),
]

# A database keeps no NUL in a text.
Sentence = Annotated[str, Field(max_length=2000), AfterValidator(lambda s: s.replace("\0", "�"))]


def _only_test(metrics: Metrics) -> Metrics:
    for name in metrics:
        if not name.startswith("test_"):
            raise PydanticCustomError(
                "not_test", "must hold test_* alone, got {name}; report it", {"name": name}
            )
    return metrics


def _no_test(metrics: Metrics) -> Metrics:
    for name in metrics:
        if name.startswith("test_"):
            raise PydanticCustomError(
                "test_in_report",
                "must hold no score on the test split, got {name}; send it with :complete",
                {"name": name},
            )
    return metrics


class Counts(Record):
    """Trials of a study by state."""

    queued: int = 0
    running: int = 0
    complete: int = 0
    pruned: int = 0
    failed: int = 0

    @property
    def ended(self) -> int:
        """Trials that are over."""
        return self.complete + self.pruned + self.failed


class StageChange(Record):
    """What became of a parameter's range from one stage to the next, and why."""

    parameter: str
    kind: Literal["narrowed", "extended"]
    before: dict[str, Any]
    """The distribution, on the wire."""
    after: dict[str, Any]
    reason: str


class Stage(Record):
    """A stage of a search that has begun."""

    stage: int
    first_trial: int
    trials: int
    epochs: int | None
    """Length of its trials; none: as the spec says."""
    space: list[dict[str, Any]] | None
    """Where its trials are drawn: each parameter's name, distribution and branch; none: in the
    study's whole space."""
    promoted: list[dict[str, Value]]
    """Configurations of the stage before that its first trials train again."""
    changes: list[StageChange]
    started_at: datetime
    finished_at: datetime | None


class Study(Record):
    """A study and how far it is."""

    id: int
    name: str
    state: StudyState
    spec: dict[str, Any]
    """The spec that runs, every default filled in."""
    version: int = 1
    """Of the spec; an edit makes the next one."""
    stage: int = 0
    stages: list[Stage] = []
    trials_planned: int | None = None
    counts: Counts
    best_trial: int | None
    best_value: float | None
    pareto_front: list[int] | None = None
    """With several objectives: the trials that no other beats in all of them."""
    epochs_done: int
    epochs_planned: int
    eta_seconds: float | None
    attributes: dict[str, Any] = {}
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def objectives(self) -> list[dict[str, str]]:
        """Metric and direction of each objective, the one that decides first."""
        found = self.spec["objective"]
        return found if isinstance(found, list) else [found]


class StudyVersion(Record):
    """A spec that a study ran with."""

    version: int
    first_trial: int
    """Trials from this number on run with it."""
    changes: list[str]
    """What differs from the version before, in sentences."""
    spec: dict[str, Any]
    created_at: datetime


class StudyVersionList(Record):
    """Every version, from the first on."""

    versions: list[StudyVersion]


class StudyPage(Record):
    """A page of studies, newest first."""

    studies: list[Study]
    next_page_token: str | None


class Trial(Record):
    """One configuration and what came of it."""

    id: int
    number: int
    study_id: int
    state: TrialState
    reason: TrialReason | None
    message: str | None
    """What went wrong, in a sentence."""
    stage: int
    version: int = 1
    """Of the spec that it runs with."""
    attempt: int
    params: dict[str, Value]
    continues: int | None = None
    """Number of the trial whose training it went on with."""
    value: float | None
    """The objective at the best epoch."""
    values: list[float | None] | None = None
    """With several objectives: all of them, at the best epoch of the first."""
    best_epoch: int | None
    epochs_done: int
    epochs: int
    """Planned length."""
    metrics: Metrics
    """Those of the last epoch; with the test scores for a finished study's best trial."""
    attributes: dict[str, Any] = {}
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class TrialPage(Record):
    """A page of trials."""

    trials: list[Trial]
    next_page_token: str | None


class Curve(Record):
    """One metric of one trial by epoch; the last three lists are of equal length."""

    trial: int
    epochs: list[int]
    values: list[float]
    """The value at each epoch; under `max_points` the last in each bucket."""
    min: list[float] | None = None
    max: list[float] | None = None


class Curves(Record):
    """One metric of several trials."""

    metric: str
    curves: list[Curve]


class Checkpoint(Record):
    """A stored state of a trial."""

    id: int
    study_id: int
    trial: int
    epoch: int
    best: bool
    last: bool
    size_bytes: int
    sha256: str
    created_at: datetime


class CheckpointList(Record):
    """A trial's checkpoints."""

    checkpoints: list[Checkpoint]


class Event(Record):
    """One line of the log."""

    id: int
    study_id: int | None
    at: datetime
    kind: EventKind
    message: str
    data: dict[str, Any]


class EventPage(Record):
    """Events in the order they happened."""

    events: list[Event]
    next_page_token: str | None


class FieldProblem(Record):
    """One field's fault."""

    path: str
    message: str


class Problem(Record):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    request_id: str
    errors: list[FieldProblem] = []


class StudyPreview(Record):
    """What a spec would cost; nothing is stored."""

    spec: dict[str, Any]
    parameters: list[dict[str, Any]]
    """Each with its name, distribution and the branch it hangs on."""
    stages: list[dict[str, int]]
    """Trials and epochs of each."""
    epochs_planned: int
    schedule: ScheduleCurve | None = None
    """Of a configuration from the middle of the space."""


class ScheduleCurve(Record):
    """The learning rate in force over a trial's planned length; lists of equal length."""

    epochs: list[float]
    lr: list[float]


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


class Job(Record):
    """Work under a lease; (id, attempt) is its fencing token."""

    id: int
    kind: JobKind
    attempt: int
    study_id: int
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


class JobList(Record):
    """Jobs just leased."""

    jobs: list[Job]


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
    metrics: Annotated[Metrics, AfterValidator(_no_test)]


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
    test_metrics: Annotated[Metrics, AfterValidator(_only_test)] = {}
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


class Failure(SpecModel):
    """A job could not be done."""

    attempt: Key
    reason: FailureReason
    message: Sentence


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
    metrics: Annotated[Metrics, AfterValidator(_no_test)]


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
