"""CMA-ES (Hansen 2016, The CMA Evolution Strategy: A Tutorial), by the library `cmaes`.

x in [0, 1]^n holds the position on the axis of each of the n ranges; the first mean is the middle,
the first step size 1/6, as in Optuna. A generation is the next `population` trials that taught
something, in the order in which they ended, whoever proposed them; the random start is left out.
A warm start sets the first mean and covariance instead (Nomura et al. 2021).

Why not Optuna's sampler: it stores the state of the strategy, pickled, in the trials it proposed,
so a study could not go on from its trials alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hpsearch.search.samplers.adaptive import AdaptiveSampler, Params
from hpsearch.search.samplers.base import Observation, SearchProblem
from hpsearch.spec.language.distributions import Interval, Value
from hpsearch.spec.language.states import TrialState
from hpsearch.spec.searches.adaptive import CmaesSearch
from hpsearch.spec.space.space import Parameter

if TYPE_CHECKING:
    from cmaes import CMA

Vector = np.ndarray[Any, np.dtype[np.float64]]

FIRST_STEP = 1 / 6
MIN_WARM_START = 10
"""A warm start uses the best tenth of the earlier trials, so there must be ten."""


class CmaesSampler(AdaptiveSampler[CmaesSearch]):
    """Random until `startup_trials` have been proposed, then generation by generation."""

    def __init__(self, problem: SearchProblem[CmaesSearch]) -> None:
        super().__init__(problem)
        self._ranges: dict[str, Interval] = {
            parameter.name: parameter.distribution
            for parameter in problem.space.parameters
            if isinstance(parameter.distribution, Interval)
            and parameter.distribution.low < parameter.distribution.high
        }
        self.reset()

    def reset(self) -> None:
        """Goes back to the first generation."""
        self._strategy: CMA | None = None
        self._earlier: list[tuple[Vector, float]] = []
        """Position and loss of each trial of an earlier study, for a warm start."""
        self._generation: list[tuple[Vector, float]] = []
        """Position and loss of each trial of the present generation."""
        self._observed = 0
        self._running = 0

    def learn(self, trial: Observation) -> None:
        """Puts the trial into the present generation; a full one moves the distribution."""
        loss = _fitness(trial)
        if loss is None or not self._ranges:
            return
        x = np.array([axis.to_unit(trial.params[name]) for name, axis in self._ranges.items()])
        if trial.number < 0:
            self._earlier.append((x, loss))
            return
        self._observed += 1
        if self._observed <= self._startup:
            return
        self._generation.append((x, loss))
        if len(self._generation) == self.strategy.population_size:
            self.strategy.tell(self._generation)
            self._generation = []

    def set_running(self, running: Sequence[Params]) -> None:
        """Counts them, as the random start ends after so many proposals."""
        self._running = len(running)

    def draw(self, seed: int) -> Params:
        """A random configuration, or one from the present distribution."""
        random = np.random.default_rng(seed)
        point: dict[str, float] = {}
        if self._ranges and self._observed + self._running >= self._startup:
            self.strategy.reseed_rng(seed)
            point = dict(zip(self._ranges, self.strategy.ask().tolist(), strict=True))

        def pick(parameter: Parameter) -> Value:
            unit = point.get(parameter.name)
            return parameter.distribution.from_unit(random.random() if unit is None else unit)

        return self.space.draw(pick)

    def max_running(self) -> int:
        """What the random start and the present generation lack."""
        start = max(0, self._startup - self._observed)
        size = self.strategy.population_size if self._ranges else 1
        return start + size - len(self._generation)

    @property
    def strategy(self) -> CMA:
        """The distribution and its adaptation."""
        if self._strategy is None:
            self._strategy = self._first()
        return self._strategy

    @property
    def _startup(self) -> int:
        """A warm start needs no random trials."""
        return 0 if len(self._earlier) >= MIN_WARM_START else self.settings.startup_trials

    def _first(self) -> CMA:
        from cmaes import CMA, get_warm_start_mgd

        n = len(self._ranges)
        mean, step, covariance = np.full(n, 0.5), FIRST_STEP, None
        if len(self._earlier) >= MIN_WARM_START:
            mean, step, covariance = get_warm_start_mgd(self._earlier)
        return CMA(
            mean=mean,
            sigma=step,
            cov=covariance,
            bounds=np.array([[0.0, 1.0]] * n),
            n_max_resampling=10 * n,
            population_size=self.settings.population,
            seed=0,  # each draw has its own
        )


def _fitness(trial: Observation) -> float | None:
    """The loss that ranks a trial in its generation, ∞ for a pruned one; none leaves it out."""
    if trial.state is TrialState.PRUNED:
        return math.inf
    if trial.state is not TrialState.COMPLETE or trial.loss is None or math.isnan(trial.loss):
        return None
    return trial.loss
