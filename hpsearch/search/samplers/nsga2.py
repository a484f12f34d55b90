"""NSGA-II (Deb et al. 2002), by Optuna: parents by dominance and crowding, crossed and mutated.

A generation is the next `population` trials that came to a value, in the order in which they
ended; those of the first are random.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpsearch.search.optuna.base import OptunaSampler
from hpsearch.search.samplers.base import Problem
from hpsearch.spec.search import Nsga2Search

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial


class Nsga2Sampler(OptunaSampler):
    """Breeds a generation from the ones before."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        search = problem.search
        settings = search if isinstance(search, Nsga2Search) else Nsga2Search(kind="nsga2")
        self.population = settings.generation
        self._parents: list[list[FrozenTrial]] = []

    def sampler(self, seed: int) -> BaseSampler:
        """Optuna's NSGA-II."""
        from hpsearch.search.optuna.study_view import Nsga2

        return Nsga2(self.mirror, self._parents, population_size=self.population, seed=seed)

    def forget(self) -> None:
        """Starts an empty study."""
        super().forget()
        self._parents.clear()

    def room(self) -> int:
        """What the present generation lacks."""
        return self.population - len(self.mirror.complete) % self.population
