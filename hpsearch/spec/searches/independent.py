"""Searches that learn nothing from trials: at random, on Sobol points, on a grid."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hpsearch.spec.searches.base import CountCombinations, CountedSearch, PlannedStage, SearchBase

SOBOL_DIMENSIONS = 21_201
"""Parameters for which direction numbers are known (Joe & Kuo 2008)."""


class RandomSearch(CountedSearch):
    """Independent draws, each from (study seed, trial number); Bergstra & Bengio 2012."""

    implementation = "hpsearch.search.samplers.random:RandomSampler"

    kind: Literal["random"]


class GridSearch(SearchBase):
    """Every combination of equally spaced points, in an order shuffled by the study's seed.

    Discrete parameters without points take all their values.
    """

    implementation = "hpsearch.search.samplers.grid:GridSampler"

    kind: Literal["grid"]
    points: (
        Annotated[int, Field(ge=1, le=10_000, strict=True)]
        | dict[str, Annotated[int, Field(ge=1, le=10_000, strict=True)]]
        | None
    ) = None
    """Points of each range, or of some by name."""

    def plan_stages(self, count_combinations: CountCombinations) -> tuple[PlannedStage, ...]:
        """One stage: the enqueued configurations, then every combination."""
        return (PlannedStage(count_combinations(self.points) + len(self.enqueue)),)


class SobolSearch(CountedSearch):
    """Scrambled Sobol points (Owen 1998): as good as random on any axis, more even on all."""

    implementation = "hpsearch.search.samplers.sobol:SobolSampler"
    max_dimensions = SOBOL_DIMENSIONS

    kind: Literal["sobol"]
