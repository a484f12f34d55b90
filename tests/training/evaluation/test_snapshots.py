"""Snapshots are due where a schedule has fallen and is about to rise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from studies import study

from hpsearch.training.evaluation.snapshots import snapshot_epochs
from hpsearch.training.group.trial_progress import TrialProgress
from hpsearch.training.schedules import Horizon, lr_factors
from hpsearch.training.tasks.plan import Plan

some = settings(max_examples=40)


def plan_with(schedule: Any, epochs: int) -> Plan:
    return Plan(0, study(schedule=schedule), epochs)


def found(schedule: Any, epochs: int, steps: int = 7) -> list[int]:
    return sorted(snapshot_epochs(plan_with(schedule, epochs), steps))


@some
@given(
    st.integers(1, 6), st.integers(1, 3), st.integers(0, 3), st.integers(2, 30), st.integers(2, 9)
)
def test_before_each_warm_restart(
    first: int, factor: int, warmup: int, epochs: int, steps: int
) -> None:
    schedule: dict[str, Any] = {
        "kind": "cosine_restarts",
        "first_period": first,
        "period_factor": factor,
    }
    if warmup:
        schedule["warmup"] = {"epochs": warmup}
    expected, end, period = {epochs - 1}, warmup + first, first
    while end < epochs:
        expected.add(end - 1)
        period *= factor
        end += period
    assert found(schedule, epochs, steps) == sorted(expected)


@some
@given(st.integers(1, 5), st.integers(2, 24), st.integers(2, 9))
def test_at_the_low_ends_of_triangles(half: int, epochs: int, steps: int) -> None:
    expected = {epochs - 1, *range(2 * half - 1, epochs, 2 * half)}
    assert found({"kind": "cyclic", "half_period": half}, epochs, steps) == sorted(expected)


FALLING = [
    "constant",
    "cosine",
    {"kind": "cosine", "warmup": {"epochs": 3}},
    {"kind": "constant", "warmup": {"epochs": 3, "kind": "constant"}},
    {"kind": "step", "step_size": 2},
    "one_cycle",
    {"kind": "one_cycle", "three_phase": True},
    {"kind": "exponential", "decay_rate": 0.9},
    {"kind": "linear", "end_factor": 2.0},
    {"kind": "inverse_sqrt", "reference": 2},
    "warmup_stable_decay",
    {"kind": "reduce_on_plateau", "patience": 0},
    {"kind": "lambda", "expression": "1 + epoch"},
]


@pytest.mark.parametrize("schedule", FALLING, ids=str)
def test_one_way_up_and_down_has_the_last_epoch_alone(schedule: Any) -> None:
    for epochs in (1, 2, 12):
        assert found(schedule, epochs) == [epochs - 1]


OTHERS: dict[str, tuple[Any, int, list[int]]] = {
    "a level counts once, at its end": (
        {"kind": "piecewise_constant", "boundaries": [2, 6], "factors": [1, 0.1, 0.5]},
        10,
        [5, 9],
    ),
    "parts": (
        {
            "kind": "sequence",
            "parts": [
                {"schedule": {"kind": "cosine"}, "length": 4},
                {"schedule": {"kind": "linear", "start_factor": 0.5}, "length": 3},
                {"schedule": {"kind": "constant"}, "length": 3},
            ],
        },
        10,
        [3, 6, 9],
    ),
    "a part that follows a metric": (
        {
            "kind": "sequence",
            "parts": [
                {"schedule": {"kind": "cosine"}, "length": 4},
                {"schedule": {"kind": "reduce_on_plateau"}, "length": 4},
            ],
        },
        8,
        [7],
    ),
    "steps": ({"kind": "cosine_restarts", "first_period": 14, "unit": "step"}, 6, [1, 3, 5]),
    "within epochs": ({"kind": "cosine_restarts", "first_period": 2.5}, 10, [1, 4, 6, 9]),
    "own": (
        {"kind": "lambda", "expression": "1 + cos(3.14159265358979 * epoch / 2)"},
        8,
        [1, 5, 7],
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_where_it_falls_and_rises(name: str) -> None:
    schedule, epochs, expected = OTHERS[name]
    assert found(schedule, epochs) == expected


def test_of_whole_batches_an_epoch_is_a_step() -> None:
    assert found({"kind": "cosine_restarts", "first_period": 3}, 9, steps=1) == [2, 5, 8]


@some
@given(st.integers(0, 3), st.integers(2, 30), st.integers(2, 20))
def test_all_minima_and_nothing_else(number: int, epochs: int, steps: int) -> None:
    schedule = {"kind": "noisy_linear_cosine", "num_periods": 3}
    plan = Plan(number, study(schedule=schedule), epochs)
    horizon = Horizon(steps, epochs, TrialProgress(plan).schedule_seed)
    ends = [at for epoch in range(epochs) for at in (epoch * steps, (epoch + 1) * steps - 1)]
    rates = lr_factors(plan.spec.schedule, np.array(ends), horizon)
    last = {epochs - 1}
    strict, level = set(last), set(last)
    for before, low, after, place in zip(
        rates, rates[1:], rates[2:], range(1, len(rates)), strict=False
    ):
        epoch = (place - 1) // 2  # at its end, or where the next one begins
        if before > low < after:
            strict.add(epoch)
        if before >= low <= after:
            level.add(epoch)
    assert strict <= snapshot_epochs(plan, steps) <= level
