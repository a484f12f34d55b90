"""What all learning-rate schedules share: unit, warmup, and what a kind says of itself.

t     time since the schedule began, after its warmup, in `unit`
T     `decay_steps`: the schedule's length in `unit`
n     a count of periods, cycles or boundaries passed

A schedule is a multiplier of `optimizer.lr`, which is the reference (peak). The docstrings of the
kinds give it as a formula; the function that `implementation` names computes it. What a rule
demands of several fields together is demanded of every value that their distributions can draw.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from hpsearch.spec.language.base import SpecModel
from hpsearch.spec.language.distributions import values_of
from hpsearch.spec.language.family import Kind
from hpsearch.spec.language.searchable import OneOf, Real


class Warmup(SpecModel):
    """A rise from `start_factor` to 1 before the schedule begins; its time is not the schedule's.

    With W its length and s the time in it: linear, start_factor + (1 − start_factor)·s/W;
    exponential, start_factor^(1 − s/W); constant, start_factor. It ends at `optimizer.lr` whatever
    the schedule begins with.
    """

    example = {"epochs": 0.5}

    epochs: Annotated[float, Real(ge=0)] | None = None
    steps: Annotated[float, Real(ge=0)] | None = None
    kind: OneOf[Literal["constant", "linear", "exponential"]] = "linear"
    start_factor: Annotated[float, Real(ge=0, le=1)] = 0.01

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if (self.epochs is None) == (self.steps is None):
            raise PydanticCustomError(
                "warmup_length", "needs exactly one of epochs and steps; give one"
            )
        return self

    @model_validator(mode="after")
    def _exponential_from_above_zero(self) -> Self:
        if "exponential" in values_of(self.kind) and min(values_of(self.start_factor)) == 0:
            raise PydanticCustomError(
                "warmup_start",
                "an exponential warmup must start above 0, got start_factor 0; "
                "use a positive start_factor or a linear warmup",
            )
        return self


@dataclass(frozen=True)
class MomentumCycle:
    """How momentum (or beta1) runs inversely to the rate; the ends are torch's defaults."""

    low: float
    """Where the rate is highest."""
    high: float
    """Where the rate is lowest."""
    height: str
    """`module:name` of a function (schedule, clock) -> [N]: 0 where the rate is lowest, 1 where it
    is highest."""


class ScheduleBase(Kind):
    """What every schedule has."""

    has_minima: ClassVar[bool] = False
    """Whether it may reach several minima, between which it rises again."""
    momentum: ClassVar[MomentumCycle | None] = None
    """What the field `momentum_cycle` stands for; None for a kind without it."""

    unit: OneOf[Literal["epoch", "step"]] = "epoch"
    """What its times count; epochs are fractional inside an epoch."""
    warmup: OneOf[Warmup] | None = None

    @property
    def followed_metrics(self) -> tuple[str, ...]:
        """The curves that it follows, every option where they are searched; most follow none."""
        return ()

    @property
    def moves_momentum(self) -> bool:
        """Whether it, or a part of it, runs momentum inversely to the rate; once it is resolved."""
        return self.momentum is not None and getattr(self, "momentum_cycle", False) is True


class Decaying(ScheduleBase):
    """A schedule with a length."""

    decay_steps: Annotated[float, Real(gt=0)] | None = None
    """T, in `unit`; none means the trial's planned length minus warmup."""
