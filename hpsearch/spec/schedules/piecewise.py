"""Schedules that stand still between boundaries."""

from __future__ import annotations

from itertools import pairwise, product
from typing import Annotated, Literal, Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from hpsearch.spec.language.distributions import values_of
from hpsearch.spec.language.messages import format_value
from hpsearch.spec.language.searchable import OneOf, Real
from hpsearch.spec.schedules.base import ScheduleBase


class Constant(ScheduleBase):
    """1."""

    implementation = "hpsearch.training.schedules.decay:constant"

    kind: Literal["constant"]


class PiecewiseConstant(ScheduleBase):
    """factors[n], n the number of boundaries < t: a new factor starts after its boundary."""

    implementation = "hpsearch.training.schedules.decay:piecewise_constant"
    example = {"boundaries": [1], "factors": [1.0, 0.5]}

    kind: Literal["piecewise_constant"]
    boundaries: OneOf[tuple[Annotated[float, Real(gt=0)], ...]]
    factors: OneOf[tuple[Annotated[float, Real(ge=0)], ...]]

    @model_validator(mode="after")
    def _one_factor_for_each_piece(self) -> Self:
        for boundaries, factors in product(values_of(self.boundaries), values_of(self.factors)):
            if len(factors) != len(boundaries) + 1:
                raise PydanticCustomError(
                    "piecewise_factors",
                    "must have one factor more than boundaries, got {factors} for {boundaries}; "
                    "give {expected}",
                    {
                        "field": "factors",
                        "factors": len(factors),
                        "boundaries": len(boundaries),
                        "expected": len(boundaries) + 1,
                    },
                )
        return self

    @model_validator(mode="after")
    def _boundaries_increase(self) -> Self:
        for boundaries in values_of(self.boundaries):
            for left, right in pairwise(boundaries):
                if max(values_of(left)) >= min(values_of(right)):
                    raise PydanticCustomError(
                        "piecewise_boundaries",
                        "must increase, got {left} before {right}; sort them, and let ranges not "
                        "overlap",
                        {
                            "field": "boundaries",
                            "left": format_value(max(values_of(left))),
                            "right": format_value(min(values_of(right))),
                        },
                    )
        return self


class Step(ScheduleBase):
    """gamma^floor(t / step_size)."""

    implementation = "hpsearch.training.schedules.decay:step"
    example = {"step_size": 1}

    kind: Literal["step"]
    step_size: Annotated[float, Real(gt=0)]
    gamma: Annotated[float, Real(gt=0)] = 0.1


class MultiStep(ScheduleBase):
    """gamma^n, n the number of milestones <= t; their order does not matter."""

    implementation = "hpsearch.training.schedules.decay:multi_step"
    example = {"milestones": [1]}

    kind: Literal["multi_step"]
    milestones: OneOf[tuple[Annotated[float, Real(ge=0)], ...]]
    gamma: Annotated[float, Real(gt=0)] = 0.1
