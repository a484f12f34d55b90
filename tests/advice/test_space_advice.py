"""What is said of a space: planted effects are found, and nothing is made of noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from spaces import LR, SPACE, lr_near, noise, space_of, tried

from hpsearch.advice.border import LEVEL, borders
from hpsearch.advice.insensitive import LEAST_TRIALS, insensitive
from hpsearch.advice.space_advice import advise
from hpsearch.spec.language.states import TrialState
from hpsearch.spec.space.space import SearchSpace
from hpsearch.spec.wire.advice import Finding

SEEDS = 100


def of(findings: list[Finding], parameter: str) -> list[Finding]:
    return [finding for finding in findings if finding.parameter == parameter]


@pytest.mark.parametrize("trials", [12, 40])
def test_noise_is_warned_of_no_more_often_than_stated(trials: int) -> None:
    warned = 0
    for seed in range(SEEDS):
        found = borders(SPACE, tried(SPACE, trials, noise, seed))
        warned += any(finding.severity == "warning" for finding in found)
    assert warned <= LEVEL * SEEDS + 4, "two standard deviations of what the level allows"


@pytest.mark.parametrize(("decade", "end"), [(-1.5, "high"), (-5.5, "low")])
def test_an_optimum_past_an_end_is_found(decade: float, end: str) -> None:
    found = 0
    for seed in range(20):
        warnings = [
            finding
            for finding in of(borders(SPACE, tried(SPACE, 40, lr_near(decade, 0.1), seed)), LR)
            if finding.severity == "warning"
        ]
        found += [one.evidence["end"] for one in warnings] == [end]
    assert found >= 18


def test_an_optimum_inside_is_no_border() -> None:
    for seed in range(20):
        found = of(borders(SPACE, tried(SPACE, 40, lr_near(-3.5, 0.2), seed)), LR)
        assert not found, found


def test_a_finding_says_which_way_to_extend_the_range_and_to_what() -> None:
    (found,) = of(borders(SPACE, tried(SPACE, 40, lr_near(0, 0.01))), LR)
    low, high = found.evidence["proposed"]["log_uniform"]
    assert low == 1e-5
    assert high > 0.05
    assert f"log_uniform: [1e-05, {high:g}]" in found.message
    assert "at the high end (0.01)" in found.message
    assert found.evidence["best_quarter"] == 10
    assert found.evidence["trials"] == 40


def test_what_lies_past_the_range_is_covered_by_the_proposal() -> None:
    wide = space_of({"kind": "adam", "lr": {"log_uniform": [1e-5, 1e-3]}})
    trials = tried(SPACE, 40, lr_near(0, 0.01))
    inside = [replace(trial, params={LR: trial.params[LR]}) for trial in trials]
    (found,) = borders(wide, inside)
    best = found.evidence["best_value"]
    assert best > 1e-3
    assert "past the high end (0.001)" in found.message
    assert found.evidence["proposed"]["log_uniform"][1] > best


@pytest.mark.parametrize(
    ("optimizer", "name"),
    [
        (
            {"kind": "momentum", "lr": 0.1, "momentum": {"uniform": [0.0, 0.5]}},
            "optimizer.momentum",
        ),
        ({"kind": "sgd", "lr": {"log_uniform": [0.1, 0.1]}}, LR),
        ({"kind": "adam", "beta1": {"choice": [0.8, 0.9]}}, "optimizer.beta1"),
    ],
    ids=["the field ends there", "one point", "a choice"],
)
def test_ranges_that_cannot_be_extended_are_not_at_fault(
    optimizer: Mapping[str, Any], name: str
) -> None:
    space = space_of(optimizer)
    found = borders(space, tried(space, 40, lambda params, _: float(params[name])))
    assert found == []


def test_discrete_ranges_are_at_their_ends() -> None:
    space = space_of({"kind": "adam", "lr": 0.1}, training={"batch_size": {"int_uniform": [4, 8]}})
    (found,) = borders(space, tried(space, 40, lambda params, _: -params["training.batch_size"]))
    assert found.severity == "warning"
    assert found.evidence["proposed"] == {"int_uniform": [4, 11]}, "half of five cells past 8.5"


def test_parameters_without_effect_are_named_with_their_numbers() -> None:
    found = insensitive(SPACE, tried(SPACE, 60, lr_near(-3, 0.1), seed=3))
    assert LR not in {finding.parameter for finding in found}
    assert len(found) >= 3
    assert all(finding.evidence["corrected_p_value"] > 0.05 for finding in found)
    assert "60 trials could show (p = " in found[0].message


def test_effects_are_not_overlooked() -> None:
    for seed in range(20):
        trials = tried(SPACE, LEAST_TRIALS, lr_near(-3.5, 0.3), seed)
        assert not of(insensitive(SPACE, trials), LR), "a U, which no trend would show"


def test_too_few_trials_show_nothing() -> None:
    assert insensitive(SPACE, tried(SPACE, LEAST_TRIALS - 1, noise)) == []
    assert borders(SPACE, tried(SPACE, 3, lr_near(0, 0.0))) == []
    assert advise(SPACE, []).findings == []


def test_trials_stopped_early_count_as_bad_and_failed_ones_not() -> None:
    """Whatever lr > 1e-4 diverges: that is an effect, though the rest are all alike."""
    trials = [
        replace(trial, state=TrialState.PRUNED) if trial.params[LR] > 1e-4 else trial
        for trial in tried(SPACE, 60, noise)
    ]
    assert not of(insensitive(SPACE, trials), LR)
    failed = [replace(trial, state=TrialState.FAILED) for trial in trials]
    assert advise(SPACE, failed).trials == 0


def test_branches_are_judged_by_the_trials_that_have_them() -> None:
    space = search_branches()
    worth = {"sgd": 1.0, "adam": 0.0}
    trials = tried(space, 120, lambda params, rng: worth[params["optimizer"]] + rng.normal())
    named = {f.parameter: f.evidence["trials"] for f in insensitive(space, trials)}
    assert "optimizer" not in named
    inside = [t for t in trials if "optimizer[adam].lr" in t.params]
    assert named.get("optimizer[adam].lr", len(inside)) == len(inside)


def search_branches() -> SearchSpace:
    return space_of(
        {
            "choice": [
                {"kind": "sgd", "lr": {"log_uniform": [1e-3, 1.0]}},
                {"kind": "adam", "lr": {"log_uniform": [1e-5, 1e-2]}},
            ]
        }
    )
