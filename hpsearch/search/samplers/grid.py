"""Grid search: every combination once, in an order that the study's seed shuffles.

Trial n is the n-th combination of that order, counted after the enqueued configurations; a study
that is longer than its grid goes through it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from hpsearch.search.samplers.base import NO_HISTORY, History, Proposal, Sampler
from hpsearch.spec.searches.independent import GridSearch
from hpsearch.spec.space.grid import Grid, grid_of


class GridSampler(Sampler[GridSearch]):
    """Goes through all combinations."""

    reads_history = False

    def suggest(
        self,
        numbers: Sequence[int],
        history: History = NO_HISTORY,  # noqa: ARG002
    ) -> list[Proposal]:
        """The combination of each number."""
        first, size = self.problem.first_sampled, self._grid.size
        return [
            Proposal(self._grid.at(int(self._order[(number - first) % size]))) for number in numbers
        ]

    @cached_property
    def _grid(self) -> Grid:
        return grid_of(self.space, self.settings.points)

    @cached_property
    def _order(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return np.random.default_rng(self.problem.seed).permutation(self._grid.size)
