"""A study of ours as an Optuna study in memory, and Optuna's samplers asked about it.

Its trials are the ended ones, in the order in which they ended, then the running ones. A state is
what Optuna would have made of the trial:

    complete, no loss NaN   COMPLETE
    pruned                  PRUNED, with its loss after so many epochs where it is a number
    failed, or no number    FAIL

Every suggestion comes from a new sampler with a seed of its own, so that none carries anything
over that the trials do not tell. What that would make slow, the samplers here are told: the joint
space, which Optuna would read off all trials anew, and NSGA-II's generations.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from typing_extensions import override

from hpsearch.search.optuna.axes import axis
from hpsearch.search.optuna.storage import TrialList
from hpsearch.spec.language import states
from hpsearch.spec.language.distributions import Value
from hpsearch.spec.space.space import SearchSpace
from hpsearch.spec.wire.observation import Observation

Space = dict[str, BaseDistribution]


class Mirror:
    """One study; `joint` is what every trial has, without parameters of one value."""

    def __init__(self, space: SearchSpace, objectives: int, most_values: int | None = None) -> None:
        self._space = space
        self._axes = {p.name: axis(p.distribution, most_values) for p in space.parameters}
        self._distributions = {name: axis.distribution for name, axis in self._axes.items()}
        self._objectives = objectives
        shared = sorted(p.name for p in space.parameters if p.branch is None)
        self.joint: Space = {
            name: self._distributions[name]
            for name in shared
            if not self._distributions[name].single()
        }
        self.forget()

    def forget(self) -> None:
        """Goes back to no trials at all."""
        self.trials = TrialList()
        self.complete: list[FrozenTrial] = []
        """Those that came to a value."""
        self.told = 0
        """Those that teach: complete and pruned ones."""
        self._ended = 0
        self.study: Study = optuna.create_study(
            storage=self.trials, directions=["minimize"] * self._objectives
        )

    def add(self, trial: Observation) -> None:
        """Adds a trial that has ended."""
        del self.trials.trials[self._ended :]
        self._ended += 1
        losses = trial.losses
        if losses is not None and (len(losses) != self._objectives or any(map(math.isnan, losses))):
            losses = None
        if trial.state is states.TrialState.PRUNED:
            reports = {trial.epochs: losses[0]} if losses and self._objectives == 1 else {}
            self._put(TrialState.PRUNED, trial.params, reports=reports)
        elif trial.state is states.TrialState.COMPLETE and losses is not None:
            self.complete.append(self._put(TrialState.COMPLETE, trial.params, losses))
        else:
            self._put(TrialState.FAIL, trial.params)
            return
        self.told += 1

    def expect(self, running: Sequence[Mapping[str, Value]]) -> None:
        """Puts these in the place of the running trials."""
        del self.trials.trials[self._ended :]
        for params in running:
            self._put(TrialState.RUNNING, params)

    def ask(self, sampler: BaseSampler) -> dict[str, Value]:
        """What the sampler suggests; the study stays as it is."""
        self.study.sampler = sampler
        before = len(self.trials.trials)
        trial = self.study.ask()
        params = self._space.draw(
            lambda p: self._axes[p.name].decode(self._axes[p.name].suggest(trial, p.name))
        )
        del self.trials.trials[before:]
        return params

    def _put(
        self,
        state: TrialState,
        params: Mapping[str, Value],
        losses: Sequence[float] | None = None,
        reports: Mapping[int, float] | None = None,
    ) -> FrozenTrial:
        return self.trials.add(
            state,
            {name: self._axes[name].encode(value) for name, value in params.items()},
            {name: self._distributions[name] for name in params},
            losses,
            reports,
        )


class Tpe(TPESampler):
    """Optuna's TPE, told the joint space."""

    def __init__(self, mirror: Mirror, *, multivariate: bool, **settings: Any) -> None:
        super().__init__(multivariate=multivariate, **settings)
        self._joint = mirror.joint if multivariate else {}

    @override
    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> Space:
        return self._joint


class Gp(GPSampler):
    """Optuna's Gaussian process, told the joint space."""

    def __init__(self, mirror: Mirror, **settings: Any) -> None:
        super().__init__(warn_independent_sampling=False, **settings)
        self._joint = mirror.joint

    @override
    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> Space:
        return self._joint


class Nsga2(NSGAIISampler):
    """Optuna's NSGA-II; a generation is the next `population_size` trials that came to a value.

    Args:
        mirror: the study.
        parents: the parents of each generation so far, kept from one sampler to the next.
        settings: Optuna's own.
    """

    def __init__(self, mirror: Mirror, parents: list[list[FrozenTrial]], **settings: Any) -> None:
        super().__init__(**settings)
        self._mirror = mirror
        self._parents = parents
        self._size: int = settings["population_size"]

    @override
    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> Space:
        return self._mirror.joint

    @override
    def get_trial_generation(self, study: Study, trial: FrozenTrial) -> int:
        return len(self._mirror.complete) // self._size

    @override
    def get_population(self, study: Study, generation: int) -> list[FrozenTrial]:
        start = generation * self._size
        return self._mirror.complete[start : start + self._size]

    @override
    def get_parent_population(self, study: Study, generation: int) -> list[FrozenTrial]:
        if not self._parents:
            self._parents.append([])
        while len(self._parents) <= generation:
            self._parents.append(self.select_parent(study, len(self._parents)))
        return self._parents[generation]
