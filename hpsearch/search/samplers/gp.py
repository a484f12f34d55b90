"""Gaussian process with log expected improvement (Ament et al. 2023), by Optuna, with torch.

Optuna leaves out what was pruned. Here such a trial counts with its last losses, and with the
worst of all where it has none: otherwise a rate at which everything diverges would stay unknown
land and be proposed again and again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from hpsearch.search.optuna.base import OptunaSampler
from hpsearch.search.samplers.adaptive import Params, concurrency
from hpsearch.search.samplers.base import Observation, SearchProblem
from hpsearch.spec.language.states import TrialState
from hpsearch.spec.searches.adaptive import GpSearch

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

MAX_FITS = 4
"""Trials that may run at once after the random start: each suggestion is a fit, for which a worker
waits, and of 1,000 trials a fit takes seconds."""


class GpSampler(OptunaSampler[GpSearch]):
    """Random until `startup_trials` trials have taught something, then fitted."""

    max_steps = 1000  # Optuna lists every value of a stepped range, in memory

    def __init__(self, problem: SearchProblem[GpSearch]) -> None:
        super().__init__(problem)
        self._observations: list[Observation] = []

    def sampler(self, seed: int) -> BaseSampler:
        """Optuna's Gaussian process over the parameters outside branches."""
        from hpsearch.search.optuna.joint_samplers import JointGpSampler

        startup = self.settings.startup_trials
        return JointGpSampler(self.view, seed=seed, n_startup_trials=startup)

    def reset(self) -> None:
        """Starts an empty study."""
        super().reset()
        self._observations.clear()

    def learn(self, trial: Observation) -> None:
        """Remembers the trial, unless it failed."""
        if trial.state is not TrialState.FAILED:
            self._observations.append(trial)

    def set_running(self, running: Sequence[Params]) -> None:
        """Fills the study anew: what counts as the worst loss may have changed."""
        self.view.reset()
        for trial in with_penalty(self._observations, self.problem.objectives):
            self.view.add(trial)
        super().set_running(running)

    def draw(self, seed: int) -> Params:
        """Asks Optuna's sampler, on one thread: its matrices are too small for more."""
        import torch

        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return super().draw(seed)
        finally:
            torch.set_num_threads(threads)

    def max_running(self) -> int:
        """The random start, then an eighth of what is known, at most `MAX_FITS`."""
        startup, observed = self.settings.startup_trials, len(self._observations)
        most = concurrency(observed, startup)
        return most if observed < startup else min(most, MAX_FITS)


def with_penalty(trials: Sequence[Observation], objectives: int) -> list[Observation]:
    """The trials, each complete, with the worst finite loss in place of those it lacks.

    While there is no finite loss at all, nothing can stand for one, and there are none.
    """
    known = [trial.losses or (math.nan,) * objectives for trial in trials]
    finite = [list(filter(math.isfinite, column)) for column in zip(*known, strict=True)]
    if not all(finite):
        return []
    worst = [max(column) for column in finite]
    return [
        replace(
            trial,
            state=TrialState.COMPLETE,
            losses=tuple(
                loss if math.isfinite(loss) else largest
                for loss, largest in zip(losses, worst, strict=True)
            ),
        )
        for trial, losses in zip(trials, known, strict=True)
    ]
