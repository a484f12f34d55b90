"""Tree-structured Parzen estimator (Bergstra et al. 2011; Watanabe 2023), by Optuna.

The good trials and the others each give a density; of the draws from the first, the one with the
highest ratio of the two is proposed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpsearch.search.optuna.base import OptunaSampler
from hpsearch.search.samplers.adaptive import concurrency
from hpsearch.spec.searches.adaptive import TpeSearch

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler


class TpeSampler(OptunaSampler[TpeSearch]):
    """Random until `startup_trials` trials have taught something, then estimated."""

    def sampler(self, seed: int) -> BaseSampler:
        """Optuna's TPE, joint over the parameters outside branches where that is asked for."""
        from hpsearch.search.optuna.joint_samplers import JointTpeSampler

        joint = self.settings.multivariate
        return JointTpeSampler(
            self.view,
            multivariate=self.problem.objectives == 1 if joint is None else joint,
            seed=seed,
            n_startup_trials=self.settings.startup_trials,
            n_ei_candidates=self.settings.candidates,
        )

    def max_running(self) -> int:
        """The random start, then an eighth of what is known."""
        return concurrency(self.view.informative, self.settings.startup_trials)
