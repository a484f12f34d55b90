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
from hpsearch.search.samplers.adaptive import Params, told_share
from hpsearch.search.samplers.base import Observation, Problem
from hpsearch.spec.language.states import TrialState
from hpsearch.spec.search import GpSearch

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

FITTED_AT_ONCE = 4
"""Each suggestion is a fit, and who asked is waiting: of 1,000 trials one takes seconds."""


class GpSampler(OptunaSampler):
    """Random until `startup_trials` have told something, then fitted."""

    most_values = 1000  # Optuna lists every value of a stepped range, in memory

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        search = problem.search
        self.settings = search if isinstance(search, GpSearch) else GpSearch(kind="gp")
        self._taught: list[Observation] = []

    def sampler(self, seed: int) -> BaseSampler:
        """Optuna's Gaussian process."""
        from hpsearch.search.optuna.study_view import Gp

        return Gp(self.mirror, seed=seed, n_startup_trials=self.settings.startup_trials)

    def forget(self) -> None:
        """Starts an empty study."""
        super().forget()
        self._taught.clear()

    def learn(self, trial: Observation) -> None:
        """Remembers the trial, if it says anything."""
        if trial.state is not TrialState.FAILED:
            self._taught.append(trial)

    def expect(self, running: Sequence[Params]) -> None:
        """Tells the whole study anew: what counts as the worst may have changed."""
        self.mirror.forget()
        for trial in with_penalty(self._taught, self.problem.objectives):
            self.mirror.add(trial)
        super().expect(running)

    def draw(self, seed: int) -> Params:
        """Asks Optuna's sampler, on one thread: its matrices are too small for more."""
        import torch

        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return super().draw(seed)
        finally:
            torch.set_num_threads(threads)

    def room(self) -> int:
        """The random start, then an eighth of what is known, at most `FITTED_AT_ONCE`."""
        startup = self.settings.startup_trials
        share = told_share(len(self._taught), startup)
        return share if len(self._taught) < startup else min(share, FITTED_AT_ONCE)


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
                loss if math.isfinite(loss) else most
                for loss, most in zip(losses, worst, strict=True)
            ),
        )
        for trial, losses in zip(trials, known, strict=True)
    ]
