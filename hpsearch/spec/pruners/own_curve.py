"""Pruners that look at one trial's curve alone, and the one that stops none."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from hpsearch.spec.language.distributions import FiniteReal
from hpsearch.spec.pruners.base import Count, PrunerBase
from hpsearch.spec.pruners.ranking import IntervalPruner


class NoPruner(PrunerBase):
    """Every trial runs to its end; only divergence stops one."""

    stops_trials = False

    kind: Literal["none"]


class PatiencePruner(PrunerBase):
    """Stops a trial that has not got better for a while, whatever others do.

    The best of the last patience + 1 values is worse by more than `min_delta` than the best before
    them. To end training but keep the trial in the race use `training.early_stopping`.
    """

    implementation = "hpsearch.search.pruners.patience:Patience"
    example = {"patience": 3}

    kind: Literal["patience"]
    patience: Count
    """Epochs."""
    min_delta: Annotated[float, Field(ge=0, strict=True, allow_inf_nan=False)] = 0.0


class ThresholdPruner(IntervalPruner):
    """Stops a trial whose value is below `lower` or above `upper`."""

    implementation = "hpsearch.search.pruners.threshold:Threshold"
    example = {"upper": 10.0}

    kind: Literal["threshold"]
    lower: FiniteReal | None = None
    upper: FiniteReal | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.lower is None and self.upper is None:
            raise PydanticCustomError(
                "no_threshold",
                "needs `lower` or `upper`, got neither; add the one that no good trial crosses",
            )
        if self.lower is not None and self.upper is not None and self.lower > self.upper:
            raise PydanticCustomError(
                "bad_range",
                "lower must be <= upper, got {low} > {high}; swap them",
                {"low": self.lower, "high": self.upper},
            )
        return self
