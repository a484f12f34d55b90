"""Importances: what was planted comes first, by every evaluator, the same each time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import optuna
import pytest
from spaces import LR, SPACE, lr_near, noise, space_of, tried

from hpsearch.advice.importance import importances
from hpsearch.spec.language.states import TrialState
from hpsearch.spec.wire.advice import Evaluator, MeasuredTrial
from hpsearch.spec.wire.observation import Observation

EVALUATORS: tuple[Evaluator, ...] = ("ped_anova", "fanova", "mean_decrease_impurity")
DROPOUT = "task.model.dropout"


def measured(trials: Sequence[Observation], **took: Any) -> list[MeasuredTrial]:
    return [MeasuredTrial(trial, took.get("epochs"), took.get("seconds")) for trial in trials]


@pytest.mark.parametrize("evaluator", EVALUATORS)
def test_what_decides_comes_first_and_all_sum_to_one(evaluator: Evaluator) -> None:
    trials = measured(tried(SPACE, 60, lr_near(-3, 0.1), seed=1))
    found = importances(SPACE, trials, evaluator)
    assert found.importances[0].parameter == LR
    assert found.importances[0].importance > 0.6
    assert {one.parameter for one in found.importances} == SPACE.names
    assert math.fsum(one.importance for one in found.importances) == pytest.approx(1)
    assert (found.trials, found.note) == (60, "60 complete trials")
    assert found == importances(SPACE, trials, evaluator), "nothing in it is random"


@pytest.mark.parametrize("evaluator", EVALUATORS)
def test_equals_optunas_own_on_the_same_axes(evaluator: Evaluator) -> None:
    space = space_of(
        {"kind": "adam", "lr": {"log_uniform": [1e-5, 1e-2]}, "eps": {"uniform": [1e-9, 1e-3]}}
    )
    trials = tried(space, 40, lr_near(-3, 0.1))
    axis = optuna.distributions.FloatDistribution(0.0, 1.0)
    study = optuna.create_study()
    ranges = {p.name: p.distribution for p in space.parameters}
    for trial in trials:
        places = {name: ranges[name].to_unit(value) for name, value in trial.params.items()}
        study.add_trial(
            optuna.trial.create_trial(
                params=places, distributions=dict.fromkeys(places, axis), value=trial.loss
            )
        )
    theirs: dict[str, Any] = {
        "ped_anova": optuna.importance.PedAnovaImportanceEvaluator,
        "fanova": lambda: optuna.importance.FanovaImportanceEvaluator(seed=0),
        "mean_decrease_impurity": lambda: optuna.importance.MeanDecreaseImpurityImportanceEvaluator(
            seed=0
        ),
    }
    expected = optuna.importance.get_param_importances(study, evaluator=theirs[evaluator]())
    found = {
        one.parameter: one.importance
        for one in importances(space, measured(trials), evaluator).importances
    }
    assert found == pytest.approx(expected)


def test_targets_are_looked_at_apart() -> None:
    trials = tried(SPACE, 60, lr_near(-3, 0.1), seed=2)
    took = [MeasuredTrial(t, None, 10 * t.params["training.batch_size"]) for t in trials]
    assert importances(SPACE, took).importances[0].parameter == LR
    slow = importances(SPACE, took, target="seconds")
    assert slow.importances[0].parameter == "training.batch_size"
    none = importances(SPACE, took, target="epochs_to_best")
    assert none.importances == []


@pytest.mark.parametrize("evaluator", EVALUATORS)
def test_branches_take_part(evaluator: Evaluator) -> None:
    space = space_of(
        {
            "choice": [
                {"kind": "sgd", "lr": {"log_uniform": [1e-3, 1.0]}},
                {"kind": "adam", "lr": {"log_uniform": [1e-5, 1e-2]}},
            ]
        }
    )

    def worth(params: Any, rng: np.random.Generator) -> float:
        if params["optimizer"] == "sgd":
            return 1.0 + 0.1 * rng.normal()
        return abs(float(np.log10(params["optimizer[adam].lr"])) + 3) + 0.1 * rng.normal()

    found = importances(space, measured(tried(space, 80, worth)), evaluator)
    shares = {one.parameter: one.importance for one in found.importances}
    assert set(shares) == {"optimizer", "optimizer[sgd].lr", "optimizer[adam].lr"}
    assert shares["optimizer[adam].lr"] > shares["optimizer[sgd].lr"]


def test_a_branch_that_one_trial_took_is_left_out() -> None:
    space = space_of(
        {"choice": [{"kind": "sgd", "lr": {"log_uniform": [1e-3, 1.0]}}, {"kind": "adam"}]},
        training={"batch_size": {"int_uniform": [16, 64]}},
    )
    trials = [t for t in tried(space, 60, noise) if t.params["optimizer"] == "adam"]
    alone = next(t for t in tried(space, 60, noise) if t.params["optimizer"] == "sgd")
    found = importances(space, measured([*trials, replace(alone, number=99)]))
    shares = {one.parameter: one.importance for one in found.importances}
    assert shares["optimizer[sgd].lr"] == 0


def test_too_few_or_equal_trials_say_what_is_needed() -> None:
    few = importances(SPACE, measured(tried(SPACE, 9, noise)))
    assert few.importances == []
    assert few.note == "importances need 10 complete trials for 5 parameters, and stage 0 has 9"
    pruned = [replace(t, state=TrialState.PRUNED) for t in tried(SPACE, 30, noise)]
    assert importances(SPACE, measured(pruned)).trials == 0
    equal = importances(SPACE, measured(tried(SPACE, 30, lambda *_: 1.0)))
    assert equal.note == "the objective is the same in all 30 trials"
    fixed = space_of({"kind": "adam", "lr": 0.1})
    assert "no parameter has more than one value" in importances(fixed, []).note


def test_only_trials_of_the_fullest_stage_are_compared() -> None:
    first = tried(SPACE, 40, lr_near(-3, 0.1))
    second = [replace(t, stage=1, number=40 + t.number) for t in tried(SPACE, 10, noise, seed=5)]
    found = importances(SPACE, measured([*first, *second]))
    assert (found.stage, found.trials) == (0, 40)
    assert found.note == "40 complete trials, those of stage 0 alone"


def test_trials_past_a_range_widen_its_axis() -> None:
    narrow = space_of(
        {"kind": "adam", "lr": {"log_uniform": [1e-4, 1e-3]}},
        training={"batch_size": {"int_uniform": [16, 64]}},
    )
    wide = tried(SPACE, 60, lr_near(-2.5, 0.1))
    kept = [
        replace(t, params={name: t.params[name] for name in (LR, "training.batch_size")})
        for t in wide
    ]
    assert importances(narrow, measured(kept)).importances[0].parameter == LR
