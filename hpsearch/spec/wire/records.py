"""Records of the REST API: studies, trials, curves, checkpoints, events, problems."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal

from hpsearch.spec.checkpoints import Reason
from hpsearch.spec.language.base import Record
from hpsearch.spec.language.distributions import Value
from hpsearch.spec.language.fields import Metrics
from hpsearch.spec.language.states import (
    EndReason,
    EventKind,
    StudyState,
    TrialReason,
    TrialState,
)
from hpsearch.spec.metrics import curve_label
from hpsearch.spec.study import Objective


class Counts(Record):
    """Trials of a study by state."""

    queued: int = 0
    running: int = 0
    complete: int = 0
    pruned: int = 0
    failed: int = 0

    @property
    def ended(self) -> int:
        """How many trials are complete, pruned or failed."""
        return self.complete + self.pruned + self.failed


class StageChange(Record):
    """How a parameter's range differs from that in the stage before, and why."""

    parameter: str
    kind: Literal["narrowed", "extended"]
    before: dict[str, Any]
    """The distribution, on the wire."""
    after: dict[str, Any]
    reason: str


class StageSummary(Record):
    """A stage that a search has begun."""

    stage: int
    first_trial: int
    trials: int
    epochs: int | None
    """Epochs of each of its trials; none: `training.epochs` of the spec."""
    space: list[dict[str, Any]] | None
    """The box that its trials are drawn from: each parameter's name, distribution and branch; none:
    the study's whole space."""
    promoted: list[dict[str, Value]]
    """Best configurations of the stage before, which its first trials train again."""
    changes: list[StageChange]
    started_at: datetime
    finished_at: datetime | None


class StudyEnd(Record):
    """Why a study is over."""

    reason: EndReason
    limit: str | None = None
    """The field of `limits` that was reached; none where it was none of them."""
    message: str
    """In a sentence; where no trial came to a value with what may help."""


class Study(Record):
    """A study, its state and its progress."""

    id: int
    name: str
    state: StudyState
    spec: dict[str, Any]
    """The present spec, with every default filled in."""
    version: int = 1
    """Version of the spec; each edit makes the next one."""
    stage: int = 0
    stages: list[StageSummary] = []
    trials_planned: int | None = None
    counts: Counts
    best_trial: int | None
    best_value: float | None
    pareto_front: list[int] | None = None
    """With several objectives: numbers of the complete trials that no other dominates."""
    epochs_done: int
    epochs_planned: int
    eta_seconds: float | None
    checkpoints: int = 0
    """How many checkpoints are stored."""
    checkpoint_bytes: int = 0
    """Size of the stored checkpoints and their predictions."""
    ensembles: int = 0
    """How many ensembles were requested."""
    end: StudyEnd | None = None
    """Why it is over; none before."""
    ending_trials: int = 0
    """Trials that a limit or a stop has cut short and whose best state their worker is sending."""
    attributes: dict[str, Any] = {}
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def objectives(self) -> list[Objective]:
        """The study's objectives; the first decides which epoch of a trial counts."""
        objective = self.spec["objective"]
        several = objective if isinstance(objective, list) else [objective]
        return [Objective.model_validate(one) for one in several]

    def curve_label(self, curve: str, reported: Iterable[str]) -> str:
        """A curve's name as people read it, see `metrics.curve_label`."""
        task = self.spec.get("task", {})
        kind, standardize = task.get("kind", ""), task.get("standardize")
        return curve_label(curve, reported, task=kind, standardize=standardize)


class EditedStudy(Study):
    """A study just edited or paused."""

    returned_trials: int = 0
    """Trials that a worker held and had not begun, and that it will not train: they are handed out
    again, after an edit with the new version."""
    trials_on_old_version: int = 0
    """Trials that are not over and keep an earlier version of the spec."""


class StudyVersion(Record):
    """One version of a study's spec."""

    version: int
    first_trial: int
    """Trials from this number on run with this version."""
    changes: list[str]
    """What differs from the version before, in sentences."""
    spec: dict[str, Any]
    created_at: datetime


class StudyVersionList(Record):
    """Every version of a study's spec, the first one first."""

    versions: list[StudyVersion]


class StudyPage(Record):
    """A page of studies, newest first."""

    studies: list[Study]
    next_page_token: str | None


class Trial(Record):
    """One configuration, its state and its results."""

    id: int
    number: int
    study_id: int
    state: TrialState
    reason: TrialReason | None
    message: str | None
    """What went wrong, in a sentence."""
    stage: int
    version: int = 1
    """Version of the spec that it runs with."""
    attempt: int
    params: dict[str, Value]
    continues: int | None = None
    """Number of the trial whose training it continues."""
    value: float | None
    """The objective at the best epoch."""
    values: list[float | None] | None = None
    """With several objectives: each one's value at the best epoch of the first."""
    best_epoch: int | None
    epochs_done: int
    epochs: int
    """Planned length."""
    metrics: Metrics
    """Metrics of the last epoch; for the best trial of a finished study also the test scores."""
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
    """The value at each epoch; under `max_points` the last one of each bucket of epochs."""
    min: list[float] | None = None
    """Lowest value of each bucket, under `max_points`."""
    max: list[float] | None = None
    """Highest value of each bucket, under `max_points`."""


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
    reasons: tuple[Reason, ...] = ()
    """Further reasons of the checkpoint policy to retain it."""
    pinned: bool = False
    """A user has asked to retain it, whatever the policy says."""
    size_bytes: int
    sha256: str
    predictions_bytes: int = 0
    """Size of its stored predictions on validation and test rows; 0 where there are none."""
    predictions_sha256: str | None = None
    created_at: datetime


class CheckpointList(Record):
    """A trial's checkpoints."""

    checkpoints: list[Checkpoint]


class GarbageItem(Record):
    """An artifact that nothing needs."""

    key: str
    """Its key in the artifact store."""
    size_bytes: int
    why: str
    """Why nothing needs it, in a sentence."""


class GarbageCollection(Record):
    """What a garbage collection removed, or under `dry_run` would remove."""

    dry_run: bool
    files: list[GarbageItem]
    size_bytes: int
    """Size of all files together."""


class Event(Record):
    """One entry of a study's log."""

    id: int
    study_id: int | None
    at: datetime
    kind: EventKind
    message: str
    data: dict[str, Any]


class EventPage(Record):
    """A page of events, the oldest first."""

    events: list[Event]
    next_page_token: str | None


class FieldProblem(Record):
    """What is wrong with one field of a request."""

    path: str
    """Dotted path of the field."""
    message: str


class ProblemDetails(Record):
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
    """Each parameter's name, distribution and branch."""
    stages: list[dict[str, int]]
    """Each stage's `trials` and `epochs`."""
    epochs_planned: int
    warnings: list[str] = []
    """What of it was guessed, or cannot be measured: a sentence each."""
    schedule: ScheduleCurve | None = None
    """The schedule of the configuration in the middle of the space."""


class ScheduleCurve(Record):
    """The learning rate in force over a trial's planned length; lists of equal length."""

    epochs: list[float]
    lr: list[float]
