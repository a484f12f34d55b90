"""Random search (Bergstra & Bengio 2012): independent draws, uniform on each parameter's own axis.

Trial n draws from default_rng([seed, n]) and from nothing else, so the configurations are the
same whichever worker asks, and in whatever order. Where there are only finitely many, `distinct`
keeps them apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from hpsearch.search.samplers.base import NO_HISTORY, History, Proposal, S, Sampler
from hpsearch.search.samplers.distinct import DistinctDraws
from hpsearch.spec.language.distributions import Value
from hpsearch.spec.space.grid import whole_grid


class RandomSampler(Sampler[S]):
    """Draws every parameter on its own."""

    reads_history = False

    def suggest(
        self,
        numbers: Sequence[int],
        history: History = NO_HISTORY,  # noqa: ARG002
    ) -> list[Proposal]:
        """A draw for each number."""
        return [Proposal(self._params(number)) for number in numbers]

    def _params(self, number: int) -> dict[str, Value]:
        position = number - self.problem.first_sampled
        if self._distinct is None or position < 0:
            return self._draw(self._generator(number))
        return self._distinct[position]

    @cached_property
    def _distinct(self) -> DistinctDraws | None:
        grid = whole_grid(self.space)
        if grid is None:
            return None
        first = self.problem.first_sampled
        return DistinctDraws(
            grid,
            self._draw,
            lambda n: self._generator(first + n),
            [params for params in self.problem.initial if self.space.fits(params)],
        )

    def _generator(self, number: int) -> np.random.Generator:
        return np.random.default_rng([self.problem.seed, number])

    def _draw(self, rng: np.random.Generator) -> dict[str, Value]:
        return self.space.draw(lambda parameter: parameter.distribution.from_unit(rng.random()))
