"""Coarse-to-fine in an Optuna study, held to Optuna's own suite for samplers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import optuna
import pytest
from optuna.samplers import BaseSampler
from optuna.testing.pytest_samplers import BasicSamplerTestCase, SingleOnlySamplerTestCase
from pydantic import ValidationError

from hpsearch.search.optuna import CoarseToFineSampler, SamplerStage

STAGES = [SamplerStage(trials=24), SamplerStage(trials=12), SamplerStage(trials=6)]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(before)


class TestAsOptunaHoldsItsOwn(BasicSamplerTestCase, SingleOnlySamplerTestCase):
    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        # Short stages, so that the suite's few trials reach the last one.
        return lambda: CoarseToFineSampler(
            [SamplerStage(3), SamplerStage(3), SamplerStage(3)], seed=0
        )


def _study(seed: int, direction: str = "minimize", trials: int = 42) -> optuna.Study:
    study = optuna.create_study(sampler=CoarseToFineSampler(STAGES, seed=seed), direction=direction)
    sign = 1 if direction == "minimize" else -1

    def objective(trial: optuna.Trial) -> float:
        rate = trial.suggest_float("lr", 1e-6, 1, log=True)
        units = trial.suggest_int("units", 1, 100)
        kind = trial.suggest_categorical("kind", ["good", "bad", "worse"])
        return sign * ((math.log10(rate) + 3) ** 2 + (units - 60) ** 2 / 400 + 9 * (kind != "good"))

    study.optimize(objective, n_trials=trials)
    return study


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_later_stages_lie_around_the_best_of_earlier_ones(direction: str) -> None:
    trials = _study(0, direction).trials
    spreads = []
    for part in (trials[:24], trials[24:36], trials[36:]):
        logs = [math.log10(trial.params["lr"]) for trial in part]
        spreads.append(max(logs) - min(logs))
    assert spreads[0] > spreads[1] > spreads[2]
    best = min(trials[:24], key=lambda trial: abs(trial.value or 0))
    logs = [math.log10(trial.params["lr"]) for trial in trials[24:36]]
    assert min(logs) <= math.log10(best.params["lr"]) <= max(logs)


def test_equal_seeds_give_equal_studies_and_others_do_not() -> None:
    params = [[trial.params for trial in _study(seed).trials] for seed in (1, 1, 2)]
    assert params[0] == params[1]
    assert params[0] != params[2]


def test_a_trial_knows_its_stage() -> None:
    sampler = CoarseToFineSampler(STAGES)
    assert [sampler.stage_of(n) for n in (0, 23, 24, 35, 36, 41, 42, 500)] == [
        0, 0, 1, 1, 2, 2, 2, 2,
    ]  # fmt: skip


def test_a_stage_that_no_study_may_have_is_refused() -> None:
    with pytest.raises(ValidationError, match="keep"):
        CoarseToFineSampler([SamplerStage(trials=3, keep=0.0)])
