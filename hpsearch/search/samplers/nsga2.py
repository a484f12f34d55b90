"""NSGA-II (Deb et al. 2002), by Optuna: parents by dominance and crowding, crossed and mutated.

A generation is the next `population` trials that came to a value, in the order in which they
ended; those of the first are random.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpsearch.search.optuna.base import OptunaSampler
from hpsearch.search.samplers.base import SearchProblem
from hpsearch.spec.searches.adaptive import Nsga2Search

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial


class Nsga2Sampler(OptunaSampler[Nsga2Search]):
    """Breeds a generation from the ones before."""

    def __init__(self, problem: SearchProblem[Nsga2Search]) -> None:
        super().__init__(problem)
        self.population = self.settings.generation
        self._parents: list[list[FrozenTrial]] = []

    def sampler(self, seed: int) -> BaseSampler:
        """Optuna's NSGA-II with the generations so far."""
        from hpsearch.search.optuna.joint_samplers import JointNsga2Sampler

        return JointNsga2Sampler(
            self.view, self._parents, population_size=self.population, seed=seed
        )

    def reset(self) -> None:
        """Starts an empty study."""
        super().reset()
        self._parents.clear()

    def max_running(self) -> int:
        """What the present generation lacks."""
        return self.population - len(self.view.complete) % self.population
