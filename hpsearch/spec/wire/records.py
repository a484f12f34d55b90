"""What people read: studies, trials, curves, checkpoints, events, problems."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from hpsearch.spec.checkpoints import Reason
from hpsearch.spec.language.base import Record
from hpsearch.spec.language.distributions import Value
from hpsearch.spec.language.fields import Metrics
from hpsearch.spec.language.states import EventKind, StudyState, TrialReason, TrialState
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
    checkpoints: int = 0
    """How many are stored."""
    checkpoint_bytes: int = 0
    """Their size, with what they predict."""
    ensembles: int = 0
    """How many were asked for."""
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
    reasons: tuple[Reason, ...] = ()
    """Why it is kept beside these."""
    pinned: bool = False
    """A person wants it kept."""
    size_bytes: int
    sha256: str
    predictions_bytes: int = 0
    """Size of what it predicts on validation and test rows, where that is stored."""
    predictions_sha256: str | None = None
    created_at: datetime


class CheckpointList(Record):
    """A trial's checkpoints."""

    checkpoints: list[Checkpoint]


class Rubbish(Record):
    """A file that nothing needs."""

    key: str
    """Its place in the artifact store."""
    size_bytes: int
    why: str


class Collection(Record):
    """What a garbage collection removed, or would remove."""

    dry_run: bool
    files: list[Rubbish]
    size_bytes: int


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
