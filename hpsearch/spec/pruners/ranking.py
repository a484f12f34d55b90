"""Pruners that compare a trial with others at the same epoch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hpsearch.spec.pruners.base import Count, Positive, PrunerBase

WARMUP_SHARE = 0.25
"""Of a trial's epochs."""


class IntervalPruner(PrunerBase):
    """What pruners take that look every few epochs."""

    warmup_epochs: Count = 0
    """No trial is stopped before this epoch."""
    interval_epochs: Positive = 1
    """Epochs from one look to the next, counted from the warm-up's end."""


class RankPruner(IntervalPruner):
    """What pruners take that compare with other trials at the same epoch.

    These are the complete trials, and those that run side by side with the trial: so trials that
    train as one group are compared as one set.
    """

    warmup_epochs: Count | None = None  # type: ignore[assignment]
    """No trial is stopped before this epoch. None: a quarter of its planned epochs."""
    startup_trials: Count = 3
    """None is stopped before so many others are complete or were at its epoch."""
    min_trials: Positive = 1
    """Nor at an epoch that fewer others reported."""

    def default_warmup_epochs(self, epochs: int) -> int:
        """The warm-up of trials of so many epochs, where none is given."""
        return int(WARMUP_SHARE * epochs)


class MedianPruner(RankPruner):
    """Stops a trial whose best value so far is worse than other trials' median at that epoch.

    Golovin et al. 2017.
    """

    implementation = "hpsearch.search.pruners.median:Median"

    kind: Literal["median"]


class PercentilePruner(RankPruner):
    """As `median`, with another percentile: 25 lets the best quarter go on."""

    implementation = "hpsearch.search.pruners.percentile:Percentile"

    kind: Literal["percentile"]
    percentile: Annotated[float, Field(ge=0, le=100, strict=True)] = 50.0
    """The share of trials to keep, in percent."""
