"""When a trial is stopped before its end.

A pruner is asked after each report whether the trial goes on; it compares trials of one stage by
the (first) objective. Epochs count from 0, as in curves. A value that is NaN always ends a trial.
A stopped trial keeps its curve, counts as pruned, and is never the study's best.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self, TypeAlias

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from hpsearch.spec.language.distributions import LARGEST_INTEGER, FiniteReal
from hpsearch.spec.language.family import Family, Kind

Count = Annotated[int, Field(ge=0, le=LARGEST_INTEGER, strict=True)]
Positive = Annotated[int, Field(ge=1, le=LARGEST_INTEGER, strict=True)]
Factor = Annotated[int, Field(ge=2, le=1000, strict=True)]


class PrunerBase(Kind):
    """What every pruner is."""

    stops_trials: ClassVar[bool] = True
    """Whether reports are judged at all; false needs no `implementation`."""


class NoPruner(PrunerBase):
    """Every trial runs to its end; only divergence stops one."""

    stops_trials = False

    kind: Literal["none"]


class IntervalPruner(PrunerBase):
    """What pruners take that look every few epochs."""

    warmup_epochs: Count = 0
    """No trial is stopped before this epoch."""
    interval_epochs: Positive = 1
    """Epochs from one look to the next, counted from the warm-up's end."""


class RankPruner(IntervalPruner):
    """What pruners take that compare with the trials that are complete."""

    startup_trials: Count = 5
    """None is stopped before so many trials are complete."""
    min_trials: Positive = 1
    """Nor at an epoch that fewer complete trials reported."""


class MedianPruner(RankPruner):
    """Stops a trial whose best value so far is worse than complete trials' median at that epoch.

    Golovin et al. 2017.
    """

    implementation = "hpsearch.search.pruners.median:Median"

    kind: Literal["median"]


class PercentilePruner(RankPruner):
    """As `median`, with another percentile: 25 lets the best quarter go on."""

    implementation = "hpsearch.search.pruners.percentile:Percentile"
    example = {"percentile": 25.0}

    kind: Literal["percentile"]
    percentile: Annotated[float, Field(ge=0, le=100, strict=True)]
    """The share of trials to keep, in percent."""


class AshaPruner(PrunerBase):
    """Asynchronous successive halving (Li et al. 2020).

    Rung r is at epoch min_epochs·reduction_factor^(min_early_stopping_rate + r). A trial that gets
    there goes on when its value is among the best 1/reduction_factor of those that were there so
    far, and of few when it is the best.
    """

    implementation = "hpsearch.search.pruners.asha:Asha"

    kind: Literal["asha"]
    min_epochs: Positive | None = None
    """None: a hundredth of the longest trial's epochs, at least 1, once a trial is complete; none
    is stopped before."""
    reduction_factor: Factor = 4
    min_early_stopping_rate: Annotated[int, Field(ge=0, le=31, strict=True)] = 0
    bootstrap_trials: Count = 0
    """So many trials end at a rung before any goes past it."""

    @model_validator(mode="after")
    def _known_rungs(self) -> Self:
        if self.bootstrap_trials and self.min_epochs is None:
            raise _open_rungs("min_epochs", self.bootstrap_trials)
        return self


class HyperbandPruner(PrunerBase):
    """Hyperband (Li et al. 2018): `asha` in brackets that begin to stop trials ever later.

    Trials are spread over floor(log(max_epochs/min_epochs, reduction_factor)) + 1 brackets by
    (study seed, trial number); each competes in its own.
    """

    implementation = "hpsearch.search.pruners.hyperband:Hyperband"

    kind: Literal["hyperband"]
    min_epochs: Positive = 1
    max_epochs: Positive | None = None
    """None: the longest trial's epochs, once a trial is complete; none is stopped before."""
    reduction_factor: Factor = 3
    bootstrap_trials: Count = 0
    """So many trials end at a rung before any goes past it."""

    @model_validator(mode="after")
    def _known_brackets(self) -> Self:
        if self.bootstrap_trials and self.max_epochs is None:
            raise _open_rungs("max_epochs", self.bootstrap_trials)
        if self.max_epochs is not None and self.max_epochs < self.min_epochs:
            raise PydanticCustomError(
                "bad_range",
                "max_epochs must be >= min_epochs, got {high} < {low}; raise max_epochs",
                {"low": self.min_epochs, "high": self.max_epochs},
            )
        return self


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


def _open_rungs(field: str, trials: int) -> PydanticCustomError:
    return PydanticCustomError(
        "open_rungs",
        "is required with bootstrap_trials, of which there are {trials}; add it",
        {"field": field, "trials": trials},
    )


PRUNERS = Family(
    NoPruner,
    MedianPruner,
    PercentilePruner,
    AshaPruner,
    HyperbandPruner,
    PatiencePruner,
    ThresholdPruner,
    default="none",
)
"""The table of pruners: a new one is a class above and a line here."""

Pruner: TypeAlias = Annotated[PrunerBase, PRUNERS]
