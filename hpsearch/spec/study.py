"""The study: everything a person decides, with a default for all but name, data and rate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError

from hpsearch.spec.base import SpecModel, not_available
from hpsearch.spec.distributions import OneOf
from hpsearch.spec.messages import explain
from hpsearch.spec.optimizer import Adam, Optimizer
from hpsearch.spec.schedule import Constant, Schedule
from hpsearch.spec.search import NoPruner, Pruner, RandomSearch, Search
from hpsearch.spec.task import SupervisedTask, Task
from hpsearch.spec.training import Training


class Objective(SpecModel):
    """What makes one trial better than another."""

    metric: Annotated[str, Field(min_length=1)]
    direction: Literal["maximize", "minimize"]


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


class Checkpoints(SpecModel):
    """Which checkpoints of a trial are kept."""

    planned = ("every", "snapshots", "top")

    keep: tuple[Literal["best", "last"], ...] = ("best", "last")


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
    objective: Objective | None = None
    """None: val_accuracy, maximized, for classes; val_loss, minimized, for the rest."""
    search: Search = RandomSearch(kind="random")
    pruner: Pruner = NoPruner(kind="none")
    preflight: Preflight = Preflight()
    range_test: RangeTest = RangeTest()
    checkpoints: Checkpoints = Checkpoints()
    ensemble: Any = None
    limits: Limits = Limits()
    priority: Annotated[int, Field(ge=-1000, le=1000, strict=True)] = 0
    """Studies of higher priority are served first."""

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
        if isinstance(data, Mapping) and "optimizer" not in data and not external:
            raise PydanticCustomError("missing", "is required; add it", {"field": "optimizer"})
        return data

    @field_validator("ensemble")
    @classmethod
    def _no_ensemble(cls, value: Any) -> None:
        if value not in (None, "none"):
            raise not_available("", "an ensemble")

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
