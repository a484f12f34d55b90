"""Pruners that compare a trial with those that are complete."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hpsearch.spec.pruners.base import Count, Positive, PrunerBase


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
