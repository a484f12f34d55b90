"""The table of learning-rate schedules, and the sequence of several.

SCHEDULES    every kind; a new one is a class (see hpsearch/spec/schedules) and a line in
             SIMPLE_SCHEDULES
Schedule     the type of a field that holds one
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import BaseModel, field_validator, model_validator
from pydantic_core import PydanticCustomError

from hpsearch.spec.language.base import SpecModel
from hpsearch.spec.language.family import Family
from hpsearch.spec.language.searchable import OneOf, Real
from hpsearch.spec.schedules.arithmetic import Lambda
from hpsearch.spec.schedules.base import ScheduleBase
from hpsearch.spec.schedules.cycles import CosineRestarts, Cyclic, OneCycle
from hpsearch.spec.schedules.decay import (
    Cosine,
    Exponential,
    InverseSqrt,
    InverseTime,
    Linear,
    LinearCosine,
    NaturalExponential,
    NoisyLinearCosine,
    Polynomial,
    WarmupStableDecay,
)
from hpsearch.spec.schedules.piecewise import Constant, MultiStep, PiecewiseConstant, Step
from hpsearch.spec.schedules.plateau import ReduceOnPlateau

SIMPLE_SCHEDULES: Family[ScheduleBase] = Family(
    Constant,
    PiecewiseConstant,
    Step,
    MultiStep,
    Exponential,
    NaturalExponential,
    InverseTime,
    Polynomial,
    Linear,
    Cosine,
    LinearCosine,
    NoisyLinearCosine,
    CosineRestarts,
    Cyclic,
    OneCycle,
    ReduceOnPlateau,
    InverseSqrt,
    WarmupStableDecay,
    Lambda,
    default="constant",
)
"""Where a new schedule is entered: every one but `sequence`, of which these may be parts."""


class SequencePart(SpecModel):
    """One schedule of a sequence; its planned length is `length`."""

    example = {"schedule": {"kind": "linear"}, "length": 1}

    schedule: OneOf[Annotated[ScheduleBase, SIMPLE_SCHEDULES]]
    length: Annotated[float, Real(gt=0)]
    """In the sequence's `unit`."""

    @field_validator("schedule", mode="before")
    @classmethod
    def _not_nested(cls, schedule: Any) -> Any:
        kind = schedule.get("kind") if isinstance(schedule, Mapping) else schedule
        if kind == "sequence":
            raise PydanticCustomError(
                "nested_sequence",
                "must not be a sequence itself; list its parts in the outer one",
            )
        return schedule


class Sequence(ScheduleBase):
    """Schedules one after another; a part's t is 0 where it begins, and the last part runs on."""

    implementation = "hpsearch.training.schedules.factors:sequence"
    example = {"parts": [SequencePart.example, {"schedule": {"kind": "constant"}, "length": 1}]}
    has_minima = True

    kind: Literal["sequence"]
    parts: tuple[SequencePart, ...]

    @field_validator("parts")
    @classmethod
    def _not_empty(cls, parts: tuple[SequencePart, ...]) -> tuple[SequencePart, ...]:
        if not parts:
            raise PydanticCustomError(
                "no_parts", "must have at least one part, got none; add {schedule, length}"
            )
        return parts

    @model_validator(mode="after")
    def _one_metric(self) -> Self:
        watched = metrics_followed(self)
        if len(watched) > 1:
            raise PydanticCustomError(
                "sequence_metrics",
                "must watch one metric in all its parts, got {metrics}; choose one",
                {"field": "parts", "metrics": ", ".join(sorted(watched))},
            )
        return self

    @property
    def moves_momentum(self) -> bool:
        """Whether one of its parts does; once they are resolved."""
        return any(part.schedule.moves_momentum for part in self.parts)


SCHEDULES = Family(*SIMPLE_SCHEDULES.members.values(), Sequence, default="constant")

Schedule: TypeAlias = Annotated[ScheduleBase, SCHEDULES]


def metrics_followed(schedule: Any) -> frozenset[str]:
    """The metrics that a schedule, resolved or not, may need the history of."""
    return frozenset(
        metric
        for part in parts_within(schedule)
        if isinstance(part, ScheduleBase)
        for metric in part.followed_metrics
    )


def parts_within(value: Any) -> Iterator[BaseModel]:
    """A spec and every spec inside it, through choices and lists."""
    if isinstance(value, BaseModel):
        yield value
        value = tuple(getattr(value, name) for name in type(value).model_fields)
    if isinstance(value, tuple):
        for item in value:
            yield from parts_within(item)
