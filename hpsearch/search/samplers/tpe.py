"""Tree-structured Parzen estimator (Bergstra et al. 2011; Watanabe 2023), by Optuna.

The good trials and the others each give a density; of the draws from the first, the one with the
highest ratio of the two is proposed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpsearch.search.optuna.base import OptunaSampler
from hpsearch.search.samplers.adaptive import told_share
from hpsearch.search.samplers.base import Problem
from hpsearch.spec.search import TpeSearch

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler


class TpeSampler(OptunaSampler):
    """Random until `startup_trials` have told something, then estimated."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        search = problem.search
        self.settings = search if isinstance(search, TpeSearch) else TpeSearch(kind="tpe")

    def sampler(self, seed: int) -> BaseSampler:
        """Optuna's TPE."""
        from hpsearch.search.optuna.study_view import Tpe

        joint = self.settings.multivariate
        return Tpe(
            self.mirror,
            multivariate=self.problem.objectives == 1 if joint is None else joint,
            seed=seed,
            n_startup_trials=self.settings.startup_trials,
            n_ei_candidates=self.settings.candidates,
        )

    def room(self) -> int:
        """The random start, then an eighth of what is known."""
        return told_share(self.mirror.told, self.settings.startup_trials)
