"""Successive halving: trials meet at rungs, and only the best go on."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from hpsearch.spec.pruners.base import Count, Factor, Positive, PrunerBase


class HalvingPruner(PrunerBase):
    """What pruners take that compare trials at rungs."""

    min_epochs: Positive | None = None
    reduction_factor: Factor = 2
    bootstrap_trials: Count = 0
    """So many trials end at a rung before any goes past it."""


class AshaPruner(HalvingPruner):
    """Asynchronous successive halving (Li et al. 2020).

    Rung r is at epoch min_epochs·reduction_factor^(min_early_stopping_rate + r). A trial that gets
    there goes on when its value is among the best 1/reduction_factor of those that were there so
    far, and of few when it is the best.
    """

    implementation = "hpsearch.search.pruners.asha:Asha"

    kind: Literal["asha"]
    min_epochs: Positive | None = None
    """None: a third of a trial's planned epochs."""
    min_early_stopping_rate: Annotated[int, Field(ge=0, le=31, strict=True)] = 0

    def default_min_epochs(self, epochs: int) -> int:
        """The first rung where none is given and trials have so many epochs."""
        return max(1, (epochs + 1) // 3)

    @model_validator(mode="after")
    def _known_rungs(self) -> Self:
        if self.bootstrap_trials and self.min_epochs is None:
            raise _open_rungs("min_epochs", self.bootstrap_trials)
        return self


class HyperbandPruner(HalvingPruner):
    """Hyperband (Li et al. 2018): `asha` in brackets that begin to stop trials ever later.

    Trials are spread over floor(log(max_epochs/min_epochs, reduction_factor)) + 1 brackets by
    (study seed, trial number); each competes in its own.
    """

    implementation = "hpsearch.search.pruners.hyperband:Hyperband"

    kind: Literal["hyperband"]
    min_epochs: Positive | None = None
    """None: a little over a quarter of a trial's planned epochs, which makes two brackets."""
    max_epochs: Positive | None = None
    """None: a trial's planned epochs."""

    def default_min_epochs(self, epochs: int) -> int:
        """The lowest rung where none is given and trials have so many epochs: for two brackets."""
        return epochs // 4 + 1

    @model_validator(mode="after")
    def _known_brackets(self) -> Self:
        if self.bootstrap_trials and self.max_epochs is None:
            raise _open_rungs("max_epochs", self.bootstrap_trials)
        if self.max_epochs and self.min_epochs and self.max_epochs < self.min_epochs:
            raise PydanticCustomError(
                "bad_range",
                "max_epochs must be >= min_epochs, got {high} < {low}; raise max_epochs",
                {"low": self.min_epochs, "high": self.max_epochs},
            )
        return self


def _open_rungs(field: str, trials: int) -> PydanticCustomError:
    return PydanticCustomError(
        "open_rungs",
        "is required with bootstrap_trials, of which there are {trials}; add it",
        {"field": field, "trials": trials},
    )
