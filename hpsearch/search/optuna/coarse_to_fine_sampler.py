"""Coarse-to-fine as a sampler of Optuna's, for people's own Optuna scripts.

>>> from math import log10
>>> import optuna
>>> from hpsearch.search.optuna import CoarseToFineSampler, SamplerStage
>>> stages = [SamplerStage(trials=24), SamplerStage(trials=12), SamplerStage(trials=6)]
>>> sampler = CoarseToFineSampler(stages, seed=0)
>>> def objective(trial):  # returns the validation loss after so many epochs
...     lr = trial.suggest_float("lr", 1e-5, 1, log=True)
...     epochs = (3, 10, 30)[sampler.stage_of(trial.number)]
...     return abs(log10(lr) + 2) + 1 / epochs
>>> study = optuna.create_study(sampler=sampler)
>>> study.optimize(objective, n_trials=42)
>>> abs(log10(study.best_params["lr"]) + 2) < 0.1
True

The boxes are those of `coarse_to_fine_box`. What a service can do and a script cannot: no range
grows past what the script suggests from, and where trials run side by side, a stage does not wait
for those of the one before that still run. Trials after the last stage's are drawn in its box.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from secrets import randbits
from typing import Any

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from hpsearch.search.coarse_to_fine_box import next_box
from hpsearch.spec.language import states
from hpsearch.spec.language.distributions import (
    Choice,
    Distribution,
    IntLogUniform,
    IntUniform,
    LogUniform,
    Uniform,
)
from hpsearch.spec.searches import coarse_to_fine as spec
from hpsearch.spec.space.space import Parameter, SearchSpace
from hpsearch.spec.wire.observation import Observation


@dataclass(frozen=True)
class SamplerStage:
    """A stage of an Optuna study."""

    trials: int
    keep: float = 0.25
    """The share of its trials whose box the next stage searches."""


class CoarseToFineSampler(BaseSampler):
    """Draws in ever smaller boxes around the best trials.

    Args:
        stages: at least one; a trial's number says in which it is.
        margin: what a box is widened by on either side, in units of its half width.
        seed: none takes one at random.

    Raises:
        ValidationError: pydantic's, for stages or a margin that a study could not have either.
    """

    def __init__(
        self, stages: Sequence[SamplerStage], *, margin: float = 0.5, seed: int | None = None
    ) -> None:
        self._search = spec.CoarseToFineSearch(
            kind="coarse_to_fine",
            stages=tuple(
                spec.StageSettings(trials=s.trials, epochs=1, keep=s.keep) for s in stages
            ),
            margin=margin,
            expand=False,
        )
        self._ends = list(accumulate(stage.trials for stage in self._search.stages))
        self._seed = randbits(63) if seed is None else seed

    def stage_of(self, number: int) -> int:
        """The stage of a trial, counted from 0."""
        return next((i for i, end in enumerate(self._ends) if number < end), len(self._ends) - 1)

    def reseed_rng(self) -> None:
        """Takes another seed at random."""
        self._seed = randbits(63)

    def infer_relative_search_space(
        self,
        study: Study,  # noqa: ARG002
        trial: FrozenTrial,  # noqa: ARG002
    ) -> dict[str, BaseDistribution]:
        """Nothing: every parameter is drawn when the script comes to it."""
        return {}

    def sample_relative(
        self,
        study: Study,
        trial: FrozenTrial,  # noqa: ARG002
        search_space: dict[str, BaseDistribution],  # noqa: ARG002
    ) -> dict[str, Any]:
        """Nothing; a study of several objectives is refused."""
        _check_single_objective(study)
        return {}

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """A value from the box of the trial's stage."""
        _check_single_objective(study)
        stage = self.stage_of(trial.number)
        whole = SearchSpace((Parameter(param_name, from_optuna(param_distribution)),))
        box = whole
        if stage:
            trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
            sign = -1.0 if study.direction is StudyDirection.MAXIMIZE else 1.0
            for before in range(stage):
                observations = [
                    _observation(other, param_name, param_distribution, box, sign)
                    for other in trials
                    if self.stage_of(other.number) == before
                ]
                keep = self._search.stages[before].keep
                box = next_box(box, observations, self._search, keep, whole=whole).space
        name = zlib.crc32(param_name.encode())
        unit = np.random.default_rng([self._seed, trial.number, name]).random()
        value = box.parameters[0].distribution.from_unit(unit)
        if isinstance(param_distribution, CategoricalDistribution):
            return param_distribution.choices[value]
        return value


def from_optuna(distribution: BaseDistribution) -> Distribution:
    """An Optuna distribution as one of ours; a categorical one as the indices of its choices."""
    if isinstance(distribution, FloatDistribution):
        ends = (distribution.low, distribution.high)
        if distribution.log:
            return LogUniform(log_uniform=ends)
        return Uniform(uniform=ends, step=distribution.step)
    if isinstance(distribution, IntDistribution):
        whole = (distribution.low, distribution.high)
        if distribution.log:
            return IntLogUniform(int_log_uniform=whole)
        return IntUniform(int_uniform=whole, step=distribution.step)
    if isinstance(distribution, CategoricalDistribution):
        return Choice(choice=tuple(range(len(distribution.choices))))
    raise TypeError(f"{distribution!r} is none of Optuna's three kinds of distributions")


def _observation(
    trial: FrozenTrial,
    name: str,
    distribution: BaseDistribution,
    box: SearchSpace,
    sign: float,
) -> Observation:
    """An Optuna trial as one of ours, without the parameter where its value is outside the box."""
    params = {}
    if name in trial.params:
        value = trial.params[name]
        if isinstance(distribution, CategoricalDistribution):
            value = distribution.choices.index(value) if value in distribution.choices else None
        if box.parameters[0].distribution.contains(value):
            params[name] = value
    return Observation(
        number=trial.number,
        params=params,
        stage=0,
        state=states.TrialState.COMPLETE,
        losses=tuple(sign * value for value in trial.values),
    )


def _check_single_objective(study: Study) -> None:
    if len(study.directions) > 1:
        raise ValueError(
            f"coarse-to-fine needs one objective, got {len(study.directions)}; "
            "use another sampler, or one direction"
        )
