"""Schedules that rise again, and the momentum that runs against them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import optax
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from schedule_oracles import agree, optaxs, our_momentum, ours, torchs
from torch.optim import lr_scheduler

some = settings(max_examples=25)
shares = st.floats(0.0, 1.0)
STEPS = 40


@some
@given(st.integers(1, 10), st.integers(1, 3), shares)
def test_restarts_with_whole_factors(first: int, factor: int, low: float) -> None:
    document = {
        "kind": "cosine_restarts",
        "first_period": first,
        "period_factor": factor,
        "min_factor": low,
    }
    expected, _ = torchs(
        lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, first, factor, eta_min=low), STEPS
    )
    agree(ours(document, STEPS), expected)


@some
@given(
    st.integers(2, 16).map(lambda n: n / 2),
    st.one_of(st.just(1.0), st.floats(1.0, 3.0), st.just(1.0 + 1e-12)),
    st.floats(0.0, 0.5),
    st.floats(0.5, 1.0),
    st.floats(0.5, 1.0),
    st.integers(1, 7),
)
def test_restarts_with_any_factor_and_decays(
    first: float, factor: float, low: float, max_decay: float, min_decay: float, per_epoch: int
) -> None:
    document = {
        "kind": "cosine_restarts",
        "first_period": first,
        "period_factor": factor,
        "min_factor": low,
        "max_decay": max_decay,
        "min_decay": min_decay,
    }
    found = ours(document, STEPS * per_epoch, steps_per_epoch=per_epoch)
    for step in range(STEPS * per_epoch):
        t, n, begun, period = step / per_epoch, 0, 0.0, first
        while t >= begun + period:
            n, begun, period = n + 1, begun + period, period * factor
        if factor != 1.0 and begun > 0 and min(t - begun, begun + period - t) < 1e-6:
            continue  # Rounding decides on which side of a restart the two computations stand.
        high, bottom = max_decay**n, low * min_decay**n
        agree(
            found[step],
            bottom + 0.5 * (high - bottom) * (1 + math.cos(math.pi * (t - begun) / period)),
            rtol=1e-6,
        )


def test_restarts_against_optax_with_decaying_peaks() -> None:
    lengths = [4, 8, 16]
    cycles = [
        {
            "init_value": 0.8**n,
            "peak_value": 0.8**n,
            "warmup_steps": 0,
            "decay_steps": length,
            "end_value": 0.1 * 0.5**n,
        }
        for n, length in enumerate(lengths)
    ]
    document = {
        "kind": "cosine_restarts",
        "first_period": 4,
        "period_factor": 2,
        "min_factor": 0.1,
        "max_decay": 0.8,
        "min_decay": 0.5,
    }
    expected = optaxs(lambda: optax.sgdr_schedule(cycles), sum(lengths))
    agree(ours(document, sum(lengths)), expected)


@some
@given(
    st.integers(1, 12),
    st.floats(0.01, 0.9),
    st.sampled_from(["triangular", "triangular2", "exp_range"]),
    st.floats(0.8, 1.0),
)
def test_cyclic_and_its_momentum(half: int, low: float, mode: Any, gamma: float) -> None:
    rates, momenta = torchs(
        lambda o: lr_scheduler.CyclicLR(
            o, base_lr=low, max_lr=1.0, step_size_up=half, mode=mode, gamma=gamma
        ),
        STEPS,
    )
    document = {
        "kind": "cyclic",
        "half_period": half,
        "min_factor": low,
        "mode": mode,
        "gamma": gamma,
        "momentum_cycle": True,
    }
    agree(ours(document, STEPS), rates)
    agree(our_momentum(document, STEPS), momenta)


@some
@given(st.integers(1, 12), shares, st.floats(0.5, 1.0), st.floats(0.5, 1.0))
def test_cyclic_with_decaying_ends(half: int, low: float, top: float, bottom: float) -> None:
    document = {
        "kind": "cyclic",
        "half_period": half,
        "min_factor": low,
        "max_decay": top,
        "min_decay": bottom,
    }
    expected = []
    for t in range(STEPS):
        m = math.floor(1 + t / (2 * half))
        b = abs(t / half - 2 * m + 1)
        floor, ceiling = low * bottom ** (m - 1), top ** (m - 1)
        expected.append(floor + (ceiling - floor) * max(0, 1 - b))
    agree(ours(document, STEPS), expected)


@some
@given(
    st.floats(0.0, 1.0),
    st.floats(1.0, 50.0),
    st.floats(1.0, 1e5),
    st.sampled_from(["cos", "linear"]),
    st.booleans(),
    st.integers(2, 60),
)
def test_one_cycle_and_its_momentum(
    start: float, div: float, final: float, anneal: Any, three_phase: bool, steps: int
) -> None:
    start = start / 2 if three_phase else start
    # Where a phase has no length torch divides by zero.
    assume(abs(start * steps - 1) > 1e-6)
    assume(abs(start * steps - steps) > 1e-6)
    assume(abs(2 * start * steps - 2 - (steps - 1)) > 1e-6)
    rates, momenta = torchs(
        lambda o: lr_scheduler.OneCycleLR(
            o,
            max_lr=1.0,
            total_steps=steps,
            pct_start=start,
            div_factor=div,
            final_div_factor=final,
            anneal_strategy=anneal,
            three_phase=three_phase,
        ),
        steps,
    )
    document = {
        "kind": "one_cycle",
        "pct_start": start,
        "div_factor": div,
        "final_div_factor": final,
        "anneal": anneal,
        "three_phase": three_phase,
        "momentum_cycle": True,
    }
    found = ours(document, steps)
    agree(found, rates, rtol=1e-6)
    agree(our_momentum(document, steps), momenta)


@pytest.mark.parametrize(
    ("pct_start", "steps", "expected"),
    [
        (0.1, 10, [1.0]),  # The way up has no length: the top is at once.
        (1.0, 5, [0.04, 0.28, 0.52, 0.76, 1.0, 1.0, 1.0]),  # No way down; the top holds.
        (0.5, 4, [0.04, 1.0, 0.5 + 2e-6, 4e-6, 4e-6, 4e-6]),  # The end holds.
        (0.3, 1, [4e-6, 4e-6]),
    ],
)
def test_one_cycle_at_its_edges(pct_start: float, steps: int, expected: list[float]) -> None:
    document = {"kind": "one_cycle", "pct_start": pct_start, "anneal": "linear"}
    agree(ours(document, len(expected), epochs=steps), expected)


def test_momentum_is_left_alone_unless_asked_for() -> None:
    assert our_momentum("one_cycle", 5) is None
    assert our_momentum({"kind": "cyclic", "half_period": 2}, 5) is None
    assert our_momentum("cosine", 5) is None


def test_momentum_waits_at_its_start_during_warmup() -> None:
    document = {
        "kind": "cyclic",
        "half_period": 2,
        "momentum_cycle": True,
        "warmup": {"steps": 3},
    }
    agree(our_momentum(document, 8), [0.9, 0.9, 0.9, 0.9, 0.85, 0.8, 0.85, 0.9])


def test_parts_of_a_sequence_that_leave_momentum_alone_use_the_optimizers() -> None:
    cycle = {"kind": "cyclic", "half_period": 1, "momentum_cycle": True}
    document = {
        "kind": "sequence",
        "warmup": {"steps": 1},
        "parts": [
            {"schedule": cycle, "length": 2},
            {"schedule": "cosine", "length": 2},
            {"schedule": cycle, "length": 2},
        ],
    }
    agree(our_momentum(document, 8, momentum=0.33), [0.9, 0.9, 0.8, 0.33, 0.33, 0.9, 0.8, 0.9])


def test_fractions_of_an_epoch_are_on_the_same_curve() -> None:
    whole = ours({"kind": "cosine_restarts", "first_period": 2, "period_factor": 1.5}, 10)
    fine = ours(
        {"kind": "cosine_restarts", "first_period": 2, "period_factor": 1.5},
        70,
        steps_per_epoch=7,
    )
    agree(fine[::7], whole)
    assert np.unique(fine).size > 60
