"""A study of ours as an Optuna study in memory, and Optuna's samplers asked about it.

Its trials are the ended ones, in the order in which they ended, then the running ones. A state is
what Optuna would have made of the trial:

    complete, no loss NaN   COMPLETE
    pruned                  PRUNED, with its loss after so many epochs where it is a number
    failed, or no number    FAIL

Every suggestion comes from a new sampler with a seed of its own, so that no sampler carries over
what is not in the trials. What that would make slow `joint_samplers` avoids.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from hpsearch.search.optuna.axes import axis
from hpsearch.search.optuna.storage import TrialListStorage
from hpsearch.spec.language import states
from hpsearch.spec.language.distributions import Value
from hpsearch.spec.space.space import SearchSpace
from hpsearch.spec.wire.observation import Observation

Space = dict[str, BaseDistribution]


class OptunaStudyView:
    """One study of ours, as Optuna's samplers read it.

    Args:
        space: the study's.
        objectives: how many it has, each minimised.
        max_steps: a stepped range of more values is continuous to Optuna; none for any number.
    """

    def __init__(self, space: SearchSpace, objectives: int, max_steps: int | None = None) -> None:
        self._space = space
        self._axes = {p.name: axis(p.distribution, max_steps) for p in space.parameters}
        self._distributions = {name: axis.distribution for name, axis in self._axes.items()}
        self._objectives = objectives
        shared = sorted(p.name for p in space.parameters if p.branch is None)
        self.joint: Space = {
            name: self._distributions[name]
            for name in shared
            if not self._distributions[name].single()
        }
        """The parameters that every trial has, without those of one value."""
        self.reset()

    def reset(self) -> None:
        """Goes back to no trials at all."""
        self._storage = TrialListStorage()
        self.complete: list[FrozenTrial] = []
        """The trials that came to a value."""
        self.informative = 0
        """How many trials a sampler can learn from: complete and pruned ones."""
        self._ended = 0
        self._study: Study = optuna.create_study(
            storage=self._storage, directions=["minimize"] * self._objectives
        )

    def add(self, trial: Observation) -> None:
        """Adds a trial that has ended."""
        del self._storage.trials[self._ended :]
        self._ended += 1
        losses = trial.losses
        if losses is not None and (len(losses) != self._objectives or any(map(math.isnan, losses))):
            losses = None
        if trial.state is states.TrialState.PRUNED:
            reports = {trial.epochs: losses[0]} if losses and self._objectives == 1 else {}
            self._append(TrialState.PRUNED, trial.params, reports=reports)
        elif trial.state is states.TrialState.COMPLETE and losses is not None:
            self.complete.append(self._append(TrialState.COMPLETE, trial.params, losses))
        else:
            self._append(TrialState.FAIL, trial.params)
            return
        self.informative += 1

    def set_running(self, running: Sequence[Mapping[str, Value]]) -> None:
        """Puts trials with these configurations in place of the running ones."""
        del self._storage.trials[self._ended :]
        for params in running:
            self._append(TrialState.RUNNING, params)

    def ask(self, sampler: BaseSampler) -> dict[str, Value]:
        """What the sampler suggests; the study stays as it is."""
        self._study.sampler = sampler
        before = len(self._storage.trials)
        trial = self._study.ask()
        params = self._space.draw(
            lambda p: self._axes[p.name].decode(self._axes[p.name].suggest(trial, p.name))
        )
        del self._storage.trials[before:]
        return params

    def _append(
        self,
        state: TrialState,
        params: Mapping[str, Value],
        losses: Sequence[float] | None = None,
        reports: Mapping[int, float] | None = None,
    ) -> FrozenTrial:
        return self._storage.add(
            state,
            {name: self._axes[name].encode(value) for name, value in params.items()},
            {name: self._distributions[name] for name in params},
            losses,
            reports,
        )
