"""Optuna's samplers with what they would else compute from all trials at every suggestion.

That is the joint space, of the parameters outside branches, and NSGA-II's generations.
"""

from __future__ import annotations

from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import GPSampler, NSGAIISampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial
from typing_extensions import override

from hpsearch.search.optuna.study_view import OptunaStudyView

Space = dict[str, BaseDistribution]


class JointTpeSampler(TPESampler):
    """Optuna's TPE over the joint space, or over each parameter on its own."""

    def __init__(self, view: OptunaStudyView, *, multivariate: bool, **settings: Any) -> None:
        super().__init__(multivariate=multivariate, **settings)
        self._joint = view.joint if multivariate else {}

    @override
    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> Space:
        return self._joint


class JointGpSampler(GPSampler):
    """Optuna's Gaussian process over the joint space."""

    def __init__(self, view: OptunaStudyView, **settings: Any) -> None:
        super().__init__(warn_independent_sampling=False, **settings)
        self._joint = view.joint

    @override
    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> Space:
        return self._joint


class JointNsga2Sampler(NSGAIISampler):
    """Optuna's NSGA-II; a generation is the next `population_size` trials that came to a value.

    Args:
        view: the study.
        parents: the parents of each generation so far, passed from one sampler to the next.
        settings: Optuna's own.
    """

    def __init__(
        self, view: OptunaStudyView, parents: list[list[FrozenTrial]], **settings: Any
    ) -> None:
        super().__init__(**settings)
        self._view = view
        self._parents = parents
        self._size: int = settings["population_size"]

    @override
    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> Space:
        return self._view.joint

    @override
    def get_trial_generation(self, study: Study, trial: FrozenTrial) -> int:
        return len(self._view.complete) // self._size

    @override
    def get_population(self, study: Study, generation: int) -> list[FrozenTrial]:
        start = generation * self._size
        return self._view.complete[start : start + self._size]

    @override
    def get_parent_population(self, study: Study, generation: int) -> list[FrozenTrial]:
        if not self._parents:
            self._parents.append([])
        while len(self._parents) <= generation:
            self._parents.append(self.select_parent(study, len(self._parents)))
        return self._parents[generation]
