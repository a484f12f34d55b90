"""Sobol points (Sobol 1967), scrambled with the study's seed (Owen 1998; Matoušek 1998).

Every parameter of the space is a dimension, those inside branches as well: a trial takes the
coordinates of the parameters that it has. Trial n is point n, whoever asks for it. Where there are
only finitely many configurations, a point whose configuration was there takes the next one that was
not, until all were.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from hpsearch.search.samplers.base import NO_HISTORY, History, Proposal, S, Sampler
from hpsearch.search.samplers.distinct import DistinctPoints
from hpsearch.spec.language.distributions import Value
from hpsearch.spec.space.grid import whole_grid

if TYPE_CHECKING:
    from scipy.stats import qmc


class SobolSampler(Sampler[S]):
    """Takes the points in turn."""

    reads_history = False

    def suggest(
        self,
        numbers: Sequence[int],
        history: History = NO_HISTORY,  # noqa: ARG002
    ) -> list[Proposal]:
        """The point of each number."""
        return [Proposal(self._params(number)) for number in numbers]

    def _params(self, number: int) -> dict[str, Value]:
        position = number - self.problem.first_sampled
        if self._distinct is None or position < 0:
            return self._point(number)
        return self._distinct[position]

    @cached_property
    def _distinct(self) -> DistinctPoints | None:
        grid = whole_grid(self.space)
        if grid is None or not self.space.parameters:
            return None
        first = self.problem.first_sampled
        used = [params for params in self.problem.initial if self.space.fits(params)]
        return DistinctPoints(grid, lambda n: self._point(first + n), used)

    def _point(self, number: int) -> dict[str, Value]:
        if not self.space.parameters:
            return {}
        engine = self._engine
        if number < engine.num_generated:
            engine.reset()
        if number > engine.num_generated:
            engine.fast_forward(number - engine.num_generated)
        names = (parameter.name for parameter in self.space.parameters)
        point = dict(zip(names, engine.random(1)[0].tolist(), strict=True))
        return self.space.draw(lambda p: p.distribution.from_unit(point[p.name]))

    @cached_property
    def _engine(self) -> qmc.Sobol:
        from scipy.stats import qmc  # takes most of a second to import

        rng = np.random.default_rng(self.problem.seed)
        return qmc.Sobol(len(self.space.parameters), scramble=True, rng=rng)
