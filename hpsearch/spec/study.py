"""The study: everything a person decides, with a default for all but name, data and rate."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from hpsearch.spec.checkpoints import Checkpoints
from hpsearch.spec.ensemble import Ensembles, EnsembleSpec
from hpsearch.spec.language.base import SpecModel, tag
from hpsearch.spec.language.distributions import LARGEST_INTEGER
from hpsearch.spec.language.fields import TargetKind
from hpsearch.spec.language.messages import explain, format_value
from hpsearch.spec.language.searchable import OneOf
from hpsearch.spec.metrics import Direction, curve_label, direction_of, objective_curves
from hpsearch.spec.model import ModelBase
from hpsearch.spec.optimizer import Optimizer
from hpsearch.spec.optimizers.adam import Adam
from hpsearch.spec.pruner import Pruner
from hpsearch.spec.pruners.own_curve import NoPruner
from hpsearch.spec.schedule import Schedule
from hpsearch.spec.schedules.piecewise import Constant
from hpsearch.spec.search import SEARCHES, Search
from hpsearch.spec.searches.independent import RandomSearch
from hpsearch.spec.task import Split, SupervisedTask, Task
from hpsearch.spec.training import Training


class Objective(SpecModel):
    """What makes one trial better than another."""

    metric: Annotated[str, Field(min_length=1)]
    direction: Direction

    @classmethod
    def default_for(cls, target: TargetKind) -> Objective:
        """The objective of a study of such data that names none."""
        curve = objective_curves(target)[0]
        return cls(metric=curve, direction=direction_of(curve) or "minimize")

    @property
    def is_maximized(self) -> bool:
        """Whether larger values are better."""
        return self.direction == "maximize"

    @property
    def sign(self) -> float:
        """1.0 to minimise, -1.0 to maximise: `sign * value` is smaller for a better value."""
        return -1.0 if self.direction == "maximize" else 1.0

    @property
    def best_first(self) -> str:
        """The `sort` with which a list of trials begins with the best value."""
        return "-value" if self.direction == "maximize" else "value"

    def is_better(self, value: float, other: float) -> bool:
        """Whether a value beats another; equal values do not, and NaN neither beats nor loses."""
        return value > other if self.direction == "maximize" else value < other

    def improves(self, value: float, best: float | None) -> bool:
        """Whether a value is finite and beats the best so far, which is None before the first."""
        return math.isfinite(value) and (best is None or self.is_better(value, best))

    def sort_key(self, value: float | None) -> float:
        """A key by which `sorted` puts the best value first, and NaN and None last."""
        return math.inf if value is None or math.isnan(value) else self.sign * value


def _distinct(objectives: tuple[Objective, ...]) -> tuple[Objective, ...]:
    metrics = [objective.metric for objective in objectives]
    for metric in metrics:
        if metrics.count(metric) > 1:
            raise PydanticCustomError(
                "repeated_metric",
                "must name each metric once, got {metric} twice; remove one",
                {"metric": format_value(metric)},
            )
    return objectives


def _how_many(value: Any) -> str:
    return tag("several") if isinstance(value, list | tuple) else tag("one")


Objectives: TypeAlias = Annotated[
    Annotated[Objective, Tag(tag("one"))]
    | Annotated[
        tuple[Objective, ...],
        Field(min_length=1, max_length=8),
        AfterValidator(_distinct),
        Tag(tag("several")),
    ],
    Discriminator(_how_many),
]


class Switch(SpecModel):
    """A section that can only be off in this version."""

    enabled: bool = False

    @field_validator("enabled")
    @classmethod
    def _off(cls, enabled: bool) -> bool:
        if enabled:
            raise PydanticCustomError(
                "not_available", "true is not available in this version; leave it out"
            )
        return enabled


class Preflight(Switch):
    """Checks before a study trains."""

    on_failure: Literal["stop", "warn"] = "stop"


class RangeTest(Switch):
    """A learning-rate range test before a study trains."""

    apply: Literal["suggest", "narrow"] = "suggest"


class Limits(SpecModel):
    """Where a study stops short; all but `failed_trials` are open unless given."""

    trials: Annotated[int, Field(ge=1, strict=True)] | None = None
    """Trials ended."""
    epochs: Annotated[int, Field(ge=1, strict=True)] | None = None
    """Epochs trained by all trials together."""
    seconds: Annotated[float, Field(gt=0, strict=True, allow_inf_nan=False)] | None = None
    """Time since the first trial started."""
    failed_trials: Annotated[int, Field(ge=1, strict=True)] | None = 10
    """Failed trials after which the study fails."""
    stall_trials: Annotated[int, Field(ge=1, strict=True)] | None = None
    """Trials ended since the best one."""

    @property
    def bounds_training(self) -> bool:
        """Whether running trials may reach one of them, with an epoch or as time passes."""
        return self.epochs is not None or self.seconds is not None

    @property
    def may_cut_short(self) -> bool:
        """Whether reaching one of them may end trials of other workers than the one that does."""
        return self.bounds_training or self.trials is not None or self.stall_trials is not None


class StudySpec(SpecModel):
    """A study as a person describes it."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    """Need not be unique."""
    seed: Annotated[int, Field(ge=0, lt=2**63, strict=True)] = 0
    """All of a study's random numbers come from it."""
    owner: Annotated[str, Field(max_length=200)] | None = None
    tags: tuple[Annotated[str, Field(max_length=100)], ...] = ()
    notes: Annotated[str, Field(max_length=20_000)] = ""
    task: Task
    optimizer: OneOf[Optimizer] = Adam(kind="adam")
    schedule: OneOf[Schedule] = Constant(kind="constant")
    training: Training = Training()
    objective: Objectives | None = None
    """None: val_accuracy, maximized, for classes; val_loss, minimized, for the rest. Of several
    the first decides which epoch of a trial counts.
    """
    search: Search = RandomSearch(kind="random")
    pruner: Pruner = NoPruner(kind="none")
    preflight: Preflight = Preflight()
    range_test: RangeTest = RangeTest()
    checkpoints: Checkpoints = Checkpoints()
    ensemble: Ensembles = None
    """Built when the trials are over: one, or a list."""
    limits: Limits = Limits()
    priority: Annotated[int, Field(ge=-1000, le=1000, strict=True)] = 0
    """Studies of higher priority are served first."""

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """The objectives, however many; none until a study is checked, unless they are given."""
        if self.objective is None:
            return ()
        return self.objective if isinstance(self.objective, tuple) else (self.objective,)

    @property
    def first_objective(self) -> Objective | None:
        """The objective that decides which epoch of a trial counts, once it is known."""
        return self.objectives[0] if self.objectives else None

    def named_objectives(self, default: Objective) -> list[tuple[str, Objective]]:
        """Each objective with its path; the default where none is given."""
        if isinstance(self.objective, tuple):
            return [(f"objective.{index}", one) for index, one in enumerate(self.objective)]
        return [("objective", self.objective or default)]

    @property
    def ensembles(self) -> tuple[EnsembleSpec, ...]:
        """Those that are built when the trials are over."""
        if self.ensemble is None:
            return ()
        return self.ensemble if isinstance(self.ensemble, tuple) else (self.ensemble,)

    @property
    def dataset(self) -> str | None:
        """The name of the data set that trials train on; none where a task brings its own data."""
        return self.task.dataset if isinstance(self.task, SupervisedTask) else None

    @property
    def dataset_version(self) -> int | None:
        """Of an uploaded data set that trials train on; none where the newest is to be taken."""
        return self.task.dataset_version if isinstance(self.task, SupervisedTask) else None

    @property
    def model(self) -> ModelBase | None:
        """The model, or a choice among several; none where a task brings its own."""
        return self.task.model if isinstance(self.task, SupervisedTask) else None

    @property
    def split(self) -> Split | None:
        """Which rows train, validate and test; none where a task brings its own data."""
        return self.task.split if isinstance(self.task, SupervisedTask) else None

    def curve_label(self, curve: str, reported: Iterable[str]) -> str:
        """A curve's name as people read it, see `metrics.curve_label`."""
        standardize = self.task.standardize if isinstance(self.task, SupervisedTask) else "none"
        return curve_label(curve, reported, task=self.task.kind, standardize=standardize)

    @property
    def is_pruned(self) -> bool:
        """Whether a pruner decides after each report if a trial goes on."""
        return self.pruner.stops_trials

    @property
    def supervised(self) -> SupervisedTask:
        """The task of a study that learns from the service's own data.

        Raises:
            TypeError: when it is of another kind.
        """
        if not isinstance(self.task, SupervisedTask):
            raise TypeError(f"a supervised task is needed here, and this one is {self.task.kind}")
        return self.task

    @model_validator(mode="before")
    @classmethod
    def _optimizer_named(cls, data: Any) -> Any:
        """Only an external study may leave the optimizer to its owner's loop."""
        task = data.get("task") if isinstance(data, Mapping) else None
        external = isinstance(task, Mapping) and task.get("kind") == "external"
        if not isinstance(data, Mapping) or "optimizer" in data or external:
            return data
        if any(name not in cls.model_fields for name in data):
            return data  # it may be misspelt, which is said of that name
        missing = [name for name in ("name", "task", "optimizer") if name not in data]
        if len(missing) > 1:
            raise PydanticCustomError(
                "missing_fields",
                "must have the fields {missing}; add them",
                {"missing": ", ".join(missing)},
            )
        raise PydanticCustomError("missing", "is required; add it", {"field": "optimizer"})

    @model_validator(mode="before")
    @classmethod
    def _search_to_length(cls, data: Any) -> Any:
        """Fills in what a search derives from `training.epochs`, as the length of its stages."""
        search = data.get("search") if isinstance(data, Mapping) else None
        document = {"kind": search} if isinstance(search, str) else search
        if not isinstance(document, Mapping):
            return data
        kind, training = document.get("kind"), data.get("training")
        epochs = training.get("epochs") if isinstance(training, Mapping) else None
        if not isinstance(kind, str) or kind not in SEARCHES.members:
            return data
        if type(epochs) is not int or not 1 <= epochs <= LARGEST_INTEGER:
            return data
        return {**data, "search": SEARCHES.members[kind].with_length(document, epochs)}

    @field_validator("name")
    @classmethod
    def _printable(cls, name: str) -> str:
        if not name.strip():
            raise PydanticCustomError("blank_name", "must not be blank; give the study a name")
        if any(ord(c) < 32 or ord(c) == 127 or 0xD800 <= ord(c) <= 0xDFFF for c in name):
            raise PydanticCustomError(
                "control_characters", "must not hold control characters; remove them"
            )
        return name


def parse_study(document: Mapping[str, Any]) -> StudySpec:
    """Reads a spec.

    Raises:
        InvalidInput: naming every field that breaks a rule.
    """
    try:
        return StudySpec.model_validate(document)
    except ValidationError as error:
        raise explain(error) from None
