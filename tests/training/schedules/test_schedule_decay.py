"""Schedules that fall by a formula, against torch, optax and the formulas themselves."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from schedule_oracles import ADAPTER, agree, optaxs, ours, torchs
from scipy import stats
from torch.optim import lr_scheduler

from hpsearch.training.schedules import Horizon, lr_factors

some = settings(max_examples=25)
lengths = st.integers(1, 30)
shares = st.floats(0.0, 1.0)
rates = st.floats(0.1, 0.99)
STEPS = 30


def test_constant() -> None:
    expected, _ = torchs(lambda o: lr_scheduler.ConstantLR(o, factor=1.0), STEPS)
    agree(ours("constant", STEPS), expected)


@some
@given(st.sets(st.integers(1, 28), min_size=1, max_size=4), st.data())
def test_piecewise_constant(marks: set[int], data: st.DataObject) -> None:
    boundaries = sorted(marks)
    factors = data.draw(st.lists(rates, min_size=len(marks) + 1, max_size=len(marks) + 1))
    document = {"kind": "piecewise_constant", "boundaries": boundaries, "factors": factors}
    found = ours(document, STEPS)
    scales = dict(zip(boundaries, np.array(factors[1:]) / np.array(factors[:-1]), strict=True))
    theirs = optaxs(lambda: optax.piecewise_constant_schedule(factors[0], scales), STEPS)
    for t in range(STEPS):
        # The factor of the first boundary that t has not passed; optax switches at it, not after.
        position = next((i for i, b in enumerate(boundaries) if t <= b), len(boundaries))
        assert found[t] == factors[position]
        if t not in boundaries:
            agree(found[t], theirs[t])


@some
@given(lengths, rates)
def test_step(step_size: int, gamma: float) -> None:
    expected, _ = torchs(lambda o: lr_scheduler.StepLR(o, step_size, gamma), STEPS)
    agree(ours({"kind": "step", "step_size": step_size, "gamma": gamma}, STEPS), expected)


@some
@given(st.lists(st.integers(1, 29), max_size=5), rates)
def test_multi_step(milestones: list[int], gamma: float) -> None:
    expected, _ = torchs(lambda o: lr_scheduler.MultiStepLR(o, milestones, gamma), STEPS)
    document = {"kind": "multi_step", "milestones": milestones, "gamma": gamma}
    agree(ours(document, STEPS), expected)


@some
@given(rates, lengths, st.booleans())
def test_exponential(decay_rate: float, decay_steps: int, staircase: bool) -> None:
    document = {
        "kind": "exponential",
        "decay_rate": decay_rate,
        "decay_steps": decay_steps,
        "staircase": staircase,
    }
    found = ours(document, STEPS)
    agree(
        found,
        optaxs(
            lambda: optax.exponential_decay(1.0, decay_steps, decay_rate, staircase=staircase),
            STEPS,
        ),
    )
    if decay_steps == 1:
        expected, _ = torchs(lambda o: lr_scheduler.ExponentialLR(o, decay_rate), STEPS)
        agree(found, expected)


def test_exponential_gives_the_catalogues_worked_rates() -> None:
    document = {"kind": "exponential", "decay_rate": 0.99, "decay_steps": 1, "staircase": True}
    rate_after = 0.1 * ours(document, 21)
    printed = {1: 0.099000, 2: 0.098010, 3: 0.097030, 10: 0.090438, 20: 0.081791}
    for step, rate in printed.items():
        assert round(rate_after[step], 6) == rate


@some
@given(st.floats(0.0, 3.0), lengths, st.booleans())
def test_natural_exponential_and_inverse_time(rate: float, length: int, staircase: bool) -> None:
    fields = {"decay_rate": rate, "decay_steps": length, "staircase": staircase}
    times = [t // length if staircase else t / length for t in range(STEPS)]
    agree(
        ours({"kind": "natural_exponential", **fields}, STEPS),
        [math.exp(-rate * time) for time in times],
    )
    agree(
        ours({"kind": "inverse_time", **fields}, STEPS), [1 / (1 + rate * time) for time in times]
    )


@some
@given(st.floats(0.25, 3.0), shares, lengths)
def test_polynomial(power: float, end: float, length: int) -> None:
    fields = {"kind": "polynomial", "power": power, "decay_steps": length}
    theirs = optaxs(lambda: optax.polynomial_schedule(1.0, end, power, length), STEPS)
    agree(ours({**fields, "end_factor": end}, STEPS), theirs)
    expected, _ = torchs(lambda o: lr_scheduler.PolynomialLR(o, length, power), STEPS)
    agree(ours(fields, STEPS), expected)


@some
@given(st.floats(0.25, 3.0), shares, lengths)
def test_cyclic_polynomial_rises_at_each_multiple(power: float, end: float, length: int) -> None:
    document = {
        "kind": "polynomial",
        "power": power,
        "end_factor": end,
        "decay_steps": length,
        "cycle": True,
    }
    expected = []
    for t in range(STEPS):
        longer = length * max(1, -(-t // length))
        expected.append((1 - end) * (1 - t / longer) ** power + end)
    agree(ours(document, STEPS), expected)


@some
@given(st.floats(0.01, 1.0), shares, lengths)
def test_linear(start: float, end: float, length: int) -> None:
    document = {
        "kind": "linear",
        "start_factor": start,
        "end_factor": end,
        "decay_steps": length,
    }
    found = ours(document, STEPS)
    expected, _ = torchs(lambda o: lr_scheduler.LinearLR(o, start, end, length), STEPS)
    agree(found, expected)
    agree(found, optaxs(lambda: optax.linear_schedule(start, end, length), STEPS))


@some
@given(shares, lengths)
def test_cosine(alpha: float, length: int) -> None:
    found = ours({"kind": "cosine", "alpha": alpha, "decay_steps": length}, STEPS)
    agree(found, optaxs(lambda: optax.cosine_decay_schedule(1.0, length, alpha), STEPS))
    expected, _ = torchs(
        lambda o: lr_scheduler.CosineAnnealingLR(o, length, eta_min=alpha), length + 1
    )
    agree(found[: length + 1], expected[:STEPS])


def _linear_cosine(t: float, length: float, fields: dict[str, float], noise: float = 0) -> float:
    t = min(t, length)
    line = fields["alpha"] + (length - t) / length + noise
    wave = 0.5 * (1 + math.cos(2 * math.pi * fields["num_periods"] * t / length))
    return line * wave + fields["beta"]


linear_cosines = st.fixed_dictionaries(
    {"num_periods": st.floats(0.0, 3.0), "alpha": shares, "beta": st.floats(0.0, 0.1)}
)


@some
@given(linear_cosines, lengths)
def test_linear_cosine(fields: dict[str, float], length: int) -> None:
    expected = [_linear_cosine(t, length, fields) for t in range(STEPS)]
    document = {"kind": "linear_cosine", "decay_steps": length, **fields}
    agree(ours(document, STEPS), expected)
    noiseless = {**document, "kind": "noisy_linear_cosine", "initial_variance": 0.0}
    agree(ours(noiseless, STEPS, seed=5), expected)


def test_linear_cosine_has_the_contracts_defaults() -> None:
    fields = {"num_periods": 0.5, "alpha": 0.0, "beta": 0.001}
    agree(ours("linear_cosine", 10), [_linear_cosine(t, 10, fields) for t in range(10)])


def _noise(seed: int, steps: int, variance: float, decay: float) -> Any:
    """The ε that a curve holds, solved for; a high line keeps it off the clamp at 0."""
    document = {
        "kind": "noisy_linear_cosine",
        "num_periods": 0.0,
        "alpha": 1000.0,
        "beta": 0.0,
        "initial_variance": variance,
        "variance_decay": decay,
    }
    t = np.arange(steps)
    return ours(document, steps, seed=seed) - 1000.0 - (steps - t) / steps


@pytest.mark.parametrize(("variance", "decay"), [(1.0, 0.55), (4.0, 0.0), (0.25, 1.5)])
def test_noise_is_normal_with_the_stated_variance(variance: float, decay: float) -> None:
    deviation = np.sqrt(variance / (1.0 + np.arange(200)) ** decay)
    draws = np.array([_noise(seed, 200, variance, decay) / deviation for seed in range(100)])
    assert abs(draws.mean()) < 4 / math.sqrt(draws.size)
    assert abs(draws.var() - 1.0) < 4 * math.sqrt(2 / draws.size)
    assert stats.kstest(draws.ravel(), "norm").pvalue > 1e-3
    # Each step over the seeds, each seed over the steps, and neighbours of both sorts.
    assert np.abs(draws.mean(axis=0)).max() < 5 / math.sqrt(100)
    assert np.abs(draws.mean(axis=1)).max() < 5 / math.sqrt(200)
    assert abs((draws[:, 1:] * draws[:, :-1]).mean()) < 4 / math.sqrt(draws.size)
    assert abs((draws[1:] * draws[:-1]).mean()) < 4 / math.sqrt(draws.size)


def test_noise_belongs_to_the_seed_and_never_makes_a_rate_negative() -> None:
    first, again, other = (ours("noisy_linear_cosine", 500, seed=seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()
    assert first.min() == 0.0
    assert ours("noisy_linear_cosine", 5, seed=2**63 - 1).shape == (5,)


def test_the_time_in_noises_variance_is_in_the_schedules_unit() -> None:
    fields = {
        "kind": "noisy_linear_cosine",
        "num_periods": 0.0,
        "alpha": 1000.0,
        "variance_decay": 2.0,
    }
    schedule = ADAPTER.validate_python(fields)
    steps = np.arange(400)
    draws = np.array([lr_factors(schedule, steps, Horizon(100, 4, seed)) for seed in range(300)])
    deviation = draws.std(axis=0)
    np.testing.assert_allclose(deviation * (1 + steps / 100), 1.0, atol=0.25)


@some
@given(st.floats(0.5, 20.0))
def test_inverse_sqrt(reference: float) -> None:
    expected = [math.sqrt(reference) / math.sqrt(max(t, reference)) for t in range(STEPS)]
    agree(ours({"kind": "inverse_sqrt", "reference": reference}, STEPS), expected)


@some
@given(shares, st.sampled_from(["linear", "cosine", "1-sqrt"]), st.integers(1, 40))
def test_warmup_stable_decay(stable: float, decay: str, planned: int) -> None:
    document = {"kind": "warmup_stable_decay", "stable": stable, "decay": decay}
    down = {
        "linear": lambda x: 1 - x,
        "cosine": lambda x: (1 + math.cos(math.pi * x)) / 2,
        "1-sqrt": lambda x: 1 - math.sqrt(x),
    }[decay]
    expected = []
    for t in range(planned):
        x = (t / planned - stable) / (1 - stable) if stable < 1 else 0.0
        expected.append(down(max(x, 0.0)))
    # A root is steep at 0, where stable·planned is rounded.
    np.testing.assert_allclose(ours(document, planned), expected, rtol=1e-6, atol=1e-7)


def test_warmup_stable_decay_after_warmup_ends_with_the_plan() -> None:
    document = {"kind": "warmup_stable_decay", "stable": 0.5, "warmup": {"steps": 4}}
    found = ours(document, 13, epochs=12)
    agree(found[4:9], np.ones(5))
    agree(found[9:], [0.75, 0.5, 0.25, 0.0])
