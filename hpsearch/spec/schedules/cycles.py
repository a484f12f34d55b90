"""Schedules that rise again: restarts and cycles."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from hpsearch.spec.language.distributions import values_of
from hpsearch.spec.language.messages import format_value
from hpsearch.spec.language.searchable import OneOf, Real
from hpsearch.spec.schedules.base import MomentumCycle, ScheduleBase


class CosineRestarts(ScheduleBase):
    """low + ½(high − low)·(1 + cos(π·s / T_n)), s the time since restart n.

    T_n = first_period·period_factor^n, high = max_decay^n, low = min_factor·min_decay^n
    (Loshchilov & Hutter 2017, SGDR).
    """

    implementation = "hpsearch.training.schedules.cycles:cosine_restarts"
    example = {"first_period": 1}
    has_minima = True

    kind: Literal["cosine_restarts"]
    first_period: Annotated[float, Real(gt=0)]
    period_factor: Annotated[float, Real(ge=1)] = 1.0
    min_factor: Annotated[float, Real(ge=0, le=1)] = 0.0
    max_decay: Annotated[float, Real(gt=0, le=1)] = 1.0
    min_decay: Annotated[float, Real(gt=0, le=1)] = 1.0


class Cyclic(ScheduleBase):
    """low + (high − low)·scale·max(0, 1 − |t / half_period − 2n − 1|) in cycle n = 0, 1, ...

    high = max_decay^n, low = min_factor·min_decay^n; scale is 1 for triangular, 2^−n for
    triangular2, gamma^t for exp_range (Smith 2017, Cyclical Learning Rates).
    """

    implementation = "hpsearch.training.schedules.cycles:cyclic"
    example = {"half_period": 1}
    has_minima = True
    momentum = MomentumCycle(0.8, 0.9, "hpsearch.training.schedules.cycles:cyclic_height")

    kind: Literal["cyclic"]
    half_period: Annotated[float, Real(gt=0)]
    min_factor: Annotated[float, Real(ge=0, le=1)] = 0.1
    mode: OneOf[Literal["triangular", "triangular2", "exp_range"]] = "triangular"
    gamma: Annotated[float, Real(gt=0, le=1)] = 0.99
    max_decay: Annotated[float, Real(gt=0, le=1)] = 1.0
    min_decay: Annotated[float, Real(gt=0, le=1)] = 1.0
    momentum_cycle: OneOf[bool] = False
    """True: momentum (or beta1) runs inversely, 0.9 at the low end and 0.8 at the top."""


class OneCycle(ScheduleBase):
    """1/div_factor up to 1, then down to 1/(div_factor·final_div_factor), over the planned length.

    The peak is at step pct_start·N − 1 of N, the end at step N − 1. With three_phase the way down
    first mirrors the way up (Smith & Topin 2018, Super-Convergence).
    """

    implementation = "hpsearch.training.schedules.cycles:one_cycle"
    momentum = MomentumCycle(0.85, 0.95, "hpsearch.training.schedules.cycles:one_cycle_height")

    kind: Literal["one_cycle"]
    pct_start: Annotated[float, Real(ge=0, le=1)] = 0.3
    div_factor: Annotated[float, Real(ge=1)] = 25.0
    final_div_factor: Annotated[float, Real(ge=1)] = 1e4
    anneal: OneOf[Literal["cos", "linear"]] = "cos"
    three_phase: OneOf[bool] = False
    momentum_cycle: OneOf[bool] = False
    """True: momentum (or beta1) runs inversely, 0.95 at both ends and 0.85 at the top."""

    @model_validator(mode="after")
    def _room_for_the_mirror(self) -> Self:
        highest = max(values_of(self.pct_start))
        if True in values_of(self.three_phase) and highest > 0.5:
            raise PydanticCustomError(
                "one_cycle_start",
                "must be <= 0.5 with three_phase, got {highest}; lower it or leave three_phase out",
                {"field": "pct_start", "highest": format_value(float(highest))},
            )
        return self
