"""Random search (Bergstra & Bengio 2012): independent draws, uniform on each parameter's own axis.

Trial n draws from default_rng([seed, n]) and from nothing else, so the configurations are the
same whichever worker asks, and in whatever order.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hpsearch.search.base import Observation, Proposal, Sampler


class RandomSampler(Sampler):
    """Draws every parameter on its own."""

    reads_history = False

    def suggest(
        self,
        numbers: Sequence[int],
        history: Sequence[Observation] = (),  # noqa: ARG002
    ) -> list[Proposal]:
        """A draw for each number."""
        return [self._draw(number) for number in numbers]

    def _draw(self, number: int) -> Proposal:
        rng = np.random.default_rng([self.seed, number])
        return Proposal(self.space.draw(lambda p: p.distribution.from_unit(rng.random())))
