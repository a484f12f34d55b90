"""Trials that train together, where the spec says how long: judged as one set, in any order."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpsearch.search.pruners import CurveTable, judge, judge_together, pruner_for
from hpsearch.spec.space.stages import stated_epochs
from hpsearch.spec.study import Objective, StudySpec, parse_study

EPOCHS = 12
BARE = ("asha", "hyperband", "median", "percentile")
KINDS: Mapping[str, Any] = {
    **{kind: kind for kind in BARE},
    "asha from the start": {"kind": "asha", "min_epochs": 1, "reduction_factor": 3},
    "bootstrap": {"kind": "asha", "min_epochs": 2, "bootstrap_trials": 3},
    "quarter": {"kind": "percentile", "percentile": 25.0, "warmup_epochs": 0},
    "intervals": {"kind": "median", "interval_epochs": 3, "min_trials": 2},
}


def study(pruner: Any, **sections: Any) -> StudySpec:
    return parse_study(
        {
            "name": "together",
            "task": {"dataset": "wine"},
            "optimizer": {"lr": {"log_uniform": [1e-4, 1]}},
            "training": {"epochs": EPOCHS},
            "pruner": pruner,
            **sections,
        }
    )


def train(
    pruner: Any,
    curves: Sequence[Sequence[float | None]],
    *,
    order: Sequence[int] | None = None,
    direction: Any = "minimize",
    steps: int = 1,
) -> dict[int, int]:
    """Trains all curves as one group, some epochs in a batch; returns where trials stopped."""
    spec = study(pruner)
    made = pruner_for(spec.pruner, 0)
    assert made is not None
    table = CurveTable(Objective(metric="score", direction=direction), stated_epochs(spec))
    numbers = list(range(len(curves)) if order is None else order)
    for number in numbers:
        table.add(number)
    stops: dict[int, int] = {}
    for epoch in range(0, EPOCHS, steps):
        batch = {n: curves[n][epoch : epoch + steps] for n in numbers if n not in stops}
        for number, verdict in judge_together(made, table, batch).items():
            if verdict.stop:
                assert verdict.why is not None
                stops[number] = int(verdict.why.removeprefix("epoch ").partition(":")[0])
    return stops


def random_curves(seed: int) -> list[list[float | None]]:
    """Falling curves of some trials; equal values are common, some missing, some diverge."""
    rng = np.random.default_rng(seed)
    trials = int(rng.integers(2, 14))
    t = np.arange(EPOCHS)
    values = rng.uniform(0, 1, (trials, 1)) + np.exp(-rng.uniform(0.1, 1, (trials, 1)) * t)
    # In sixteenths, of which a quarter of the way between two is exact from either end.
    values = ((values + rng.normal(0, 0.1, values.shape)) * 16).round() / 16
    curves: list[list[float | None]] = values.tolist()
    for curve in curves:
        if rng.random() < 0.2:
            start = int(rng.integers(EPOCHS))
            curve[start:] = [math.nan] * (EPOCHS - start)
        if rng.random() < 0.2:
            curve[: int(rng.integers(4))] = [None] * len(curve[: int(rng.integers(4))])
    return [[*curve, *[curve[-1]] * EPOCHS][:EPOCHS] for curve in curves]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), order=st.randoms(use_true_random=False))
def test_neither_order_nor_batches_nor_direction_change_a_decision(
    kind: str, seed: int, order: Any
) -> None:
    curves = random_curves(seed)
    expected = train(KINDS[kind], curves)
    shuffled = list(range(len(curves)))
    order.shuffle(shuffled)
    assert train(KINDS[kind], curves, order=shuffled) == expected
    for steps in (2, 3, EPOCHS):
        assert train(KINDS[kind], curves, steps=steps) == expected
    negated = [[None if value is None else -value for value in curve] for curve in curves]
    mirrored = train({**_settings(KINDS[kind])}, negated, direction="maximize")
    assert mirrored == expected


def _settings(pruner: Any) -> Mapping[str, Any]:
    return {"kind": pruner} if isinstance(pruner, str) else pruner


@pytest.mark.parametrize("kind", BARE)
@settings(max_examples=40)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_best_so_far_of_a_group_is_never_stopped_and_none_at_the_last_epoch(
    kind: str, seed: int
) -> None:
    curves = random_curves(seed)
    for number, epoch in train(kind, curves).items():
        diverged = math.isnan(curves[number][epoch] or 0.0)
        assert diverged or epoch < EPOCHS - 1
        so_far = [
            min(
                [v for v in curve[: epoch + 1] if v is not None and not math.isnan(v)] or [math.inf]
            )
            for curve in curves
        ]
        alive = [math.isnan(curve[epoch] or 0.0) for curve in curves]
        others = [best for best, is_nan in zip(so_far, alive, strict=True) if not is_nan]
        assert diverged or so_far[number] > min(others)


def ranked(trials: int) -> list[list[float]]:
    """Trial n is the n-th best at every epoch."""
    return [[n + 1 / (t + 1) for t in range(EPOCHS)] for n in range(trials)]


@pytest.mark.parametrize("trials", [10, 11, 12, 30])
def test_of_a_group_the_median_leaves_the_better_half_and_goes_no_further(trials: int) -> None:
    kept = set(range(trials)) - train("median", ranked(trials)).keys()
    assert kept == set(range((trials + 1) // 2))


def test_asha_halves_a_group_at_a_third_and_at_two_thirds() -> None:
    assert train("asha", ranked(12)) == {3: 8, 4: 8, 5: 8} | dict.fromkeys(range(6, 12), 4)


def test_a_late_noisy_epoch_does_not_cost_a_trial_what_it_has_reached() -> None:
    curves = ranked(8)
    curves[0][4] = 99.0
    assert 0 not in train("asha", curves)


@pytest.mark.parametrize("kind", ["asha", "median", "percentile"])
def test_trials_that_diverged_count_among_those_that_do_not_go_on(kind: str) -> None:
    curves = ranked(12)
    for number in range(6, 12):
        curves[number][number % 3 :] = [math.nan] * (EPOCHS - number % 3)
    at_the_first_look = {n for n, epoch in train(kind, curves).items() if epoch <= 4}
    assert at_the_first_look == set(range(6, 12))


def test_trials_of_another_group_are_compared_with_all_that_were_there() -> None:
    spec = study("median")
    made = pruner_for(spec.pruner, 0)
    assert made is not None
    table = CurveTable(Objective(metric="score", direction="minimize"), stated_epochs(spec))
    curves = ranked(12)
    stopped: set[int] = set()
    for group in ((0, 1, 8, 9), (2, 3, 10, 11), (4, 5, 6, 7)):
        for number in group:
            table.add(number)
        for epoch in range(EPOCHS):
            batch = {n: [curves[n][epoch]] for n in group if n not in stopped}
            verdicts = judge_together(made, table, batch)
            stopped |= {n for n, verdict in verdicts.items() if verdict.stop}
        for number in set(group) - stopped:
            table.complete(number)
    assert stopped == {8, 9, 10, 11, 6, 7} | ({5} & stopped)


def test_alone_a_trial_is_compared_with_complete_trials_only() -> None:
    spec = study({"kind": "median", "startup_trials": 1, "warmup_epochs": 0})
    made = pruner_for(spec.pruner, 0)
    assert made is not None
    table = CurveTable(Objective(metric="score", direction="minimize"), stated_epochs(spec))
    for number, value in enumerate([0.5, 0.9, 0.8]):
        table.add(number)
        stop = judge(made, table, number, [value]).stop
        assert stop is (number > 0), "the one that was stopped before would make it level"
        if not stop:
            table.complete(number)


@pytest.mark.parametrize(
    ("sections", "lengths"),
    [
        ({}, {0: EPOCHS}),
        ({"training": {"epochs": {"int_uniform": [4, 9]}}}, {0: 9}),
        ({"training": {"epochs": {"choice": [4, 20, 8]}}}, {0: 20}),
        (
            {
                "search": {
                    "kind": "coarse_to_fine",
                    "stages": [{"trials": 4, "epochs": 3}, {"trials": 2, "epochs": 9}],
                }
            },
            {0: 3, 1: 9},
        ),
        ({"task": {"kind": "external"}, "training": {"epochs": 40}}, {0: 40}),
        ({"task": {"kind": "external"}, "training": {}}, {}),
    ],
)
def test_the_length_of_trials_comes_from_the_spec(
    sections: dict[str, Any], lengths: dict[int, int]
) -> None:
    assert stated_epochs(study("none", **sections)) == lengths
