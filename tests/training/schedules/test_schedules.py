"""What holds for every schedule, and what surrounds them: units, warmup, sequence.

A kind without an entry in FIELDS passes through the conformance tests with its `example` alone.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from schedule_oracles import ADAPTER, agree, optaxs, ours, torchs
from torch.optim import lr_scheduler

from hpsearch.spec.language.family import implementation
from hpsearch.spec.schedule import SCHEDULES, SIMPLE_SCHEDULES
from hpsearch.training.schedules import Horizon, lr_factors, momentum_values
from hpsearch.training.schedules.factors import MAX_FACTOR

some = settings(max_examples=25)
many = settings(max_examples=150)

times = st.floats(0.1, 20.0) | st.sampled_from([1e-9, 1e-300, 1e300])
shares = st.floats(0.0, 1.0)
positive = st.floats(1e-3, 3.0) | st.sampled_from([1e-300, 1e300])
flags = st.booleans()
decaying = {"decay_steps": st.none() | times}
FIELDS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "constant": {},
    "piecewise_constant": {
        "boundaries": st.just([1.0, 2.5]),
        "factors": st.lists(shares, min_size=3, max_size=3),
    },
    "step": {"step_size": times, "gamma": positive},
    "multi_step": {"milestones": st.lists(times, max_size=4), "gamma": positive},
    "exponential": {"decay_rate": positive, "staircase": flags, **decaying},
    "natural_exponential": {"decay_rate": positive, "staircase": flags, **decaying},
    "inverse_time": {"decay_rate": positive, "staircase": flags, **decaying},
    "polynomial": {"power": positive, "end_factor": positive, "cycle": flags, **decaying},
    "linear": {"start_factor": positive, "end_factor": positive, **decaying},
    "cosine": {"alpha": shares, **decaying},
    "linear_cosine": {"num_periods": times, "alpha": positive, "beta": positive, **decaying},
    "noisy_linear_cosine": {
        "num_periods": times,
        "initial_variance": positive,
        "variance_decay": positive,
        **decaying,
    },
    "cosine_restarts": {
        "first_period": times,
        "period_factor": st.floats(1.0, 5.0) | st.sampled_from([1 + 2e-16, 1 + 1e-12, 1e300]),
        "min_factor": shares,
        "max_decay": st.floats(0.01, 1.0),
        "min_decay": st.floats(0.01, 1.0),
    },
    "cyclic": {
        "half_period": times,
        "min_factor": shares,
        "mode": st.sampled_from(["triangular", "triangular2", "exp_range"]),
        "gamma": st.floats(0.01, 1.0),
        "max_decay": st.floats(0.01, 1.0),
        "min_decay": st.floats(0.01, 1.0),
        "momentum_cycle": flags,
    },
    "one_cycle": {
        "pct_start": st.floats(0.0, 0.5),
        "div_factor": st.floats(1.0, 1e300),
        "final_div_factor": st.floats(1.0, 1e300),
        "anneal": st.sampled_from(["cos", "linear"]),
        "three_phase": flags,
        "momentum_cycle": flags,
    },
    "reduce_on_plateau": {
        "factor": st.floats(0.01, 0.9),
        "patience": st.integers(0, 2),
        "cooldown": st.integers(0, 2),
    },
    "inverse_sqrt": {"reference": times},
    "warmup_stable_decay": {
        "stable": shares,
        "decay": st.sampled_from(["linear", "cosine", "1-sqrt"]),
    },
    "lambda": {
        "expression": st.sampled_from(
            ["0.65 ** epoch", "step - 5", "1 - step / total_steps", "2", "9 ** step"]
        )
    },
}
for kind, member in SIMPLE_SCHEDULES.members.items():
    FIELDS.setdefault(kind, {name: st.just(value) for name, value in member.example.items()})
warmups = st.none() | st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["constant", "linear", "exponential"]),
        "start_factor": st.floats(0.001, 1.0),
        "epochs": st.floats(0.0, 6.0),
    }
)
simple = st.sampled_from(sorted(FIELDS)).flatmap(
    lambda kind: st.fixed_dictionaries(
        {
            "kind": st.just(kind),
            "unit": st.sampled_from(["epoch", "step"]),
            "warmup": warmups,
            **FIELDS[kind],
        }
    )
)
sequences = st.fixed_dictionaries(
    {
        "kind": st.just("sequence"),
        "unit": st.sampled_from(["epoch", "step"]),
        "warmup": warmups,
        "parts": st.lists(
            st.fixed_dictionaries({"schedule": simple, "length": st.floats(0.01, 5.0)}),
            min_size=1,
            max_size=3,
        ),
    }
)
schedules = (simple | sequences).map(ADAPTER.validate_python)
horizons = st.builds(Horizon, st.integers(1, 7), st.integers(1, 6), st.integers(0, 2**63 - 1))
CURVE = (1.0, 1.1, 0.9, 0.9, 0.9)


# -- conformance ----------------------------------------------------------------------------------


def test_every_kind_is_computed_and_tested() -> None:
    assert all(callable(implementation(member)) for member in SCHEDULES.members.values())
    assert set(SCHEDULES.members) == {*FIELDS, "sequence"}


@many
@given(schedules, horizons)
def test_factors_are_finite_and_never_negative(schedule: Any, horizon: Horizon) -> None:
    steps = np.arange(60)
    factors = lr_factors(schedule, steps, horizon, CURVE)
    assert factors.shape == (60,)
    assert factors.dtype == np.float64
    assert ((factors >= 0) & (factors <= MAX_FACTOR)).all()
    momentum = momentum_values(schedule, steps, horizon, 0.9)
    assert momentum is None or ((momentum >= 0.8 - 1e-12) & (momentum <= 0.95 + 1e-12)).all()


@many
@given(schedules, horizons, st.randoms(use_true_random=False))
def test_a_steps_factor_depends_on_no_other_step(
    schedule: Any, horizon: Horizon, shuffler: Any
) -> None:
    steps = list(range(30))
    asked = shuffler.sample(steps, 7)
    together = lr_factors(schedule, np.array(steps), horizon, CURVE)
    for step in asked:
        alone = lr_factors(schedule, np.array([step]), horizon, CURVE)
        np.testing.assert_allclose(alone, together[step], rtol=1e-12)
    some_steps = lr_factors(schedule, np.array(asked), horizon, CURVE)
    np.testing.assert_allclose(some_steps, together[asked], rtol=1e-12)


@many
@given(schedules)
def test_a_schedule_survives_its_way_over_the_wire(schedule: Any) -> None:
    assert ADAPTER.validate_json(ADAPTER.dump_json(schedule)) == schedule


def test_no_steps_give_no_factors() -> None:
    for kind in ("cosine", "one_cycle", {"kind": "lambda", "expression": "1"}):
        assert lr_factors(ADAPTER.validate_python(kind), np.arange(0), Horizon(1, 1)).size == 0


def test_schedules_are_drawn_without_torch() -> None:
    command = (
        "import sys, hpsearch.training.schedules; assert 'torch' not in sys.modules, 'imported'"
    )
    subprocess.run([sys.executable, "-c", command], check=True)


# -- units ----------------------------------------------------------------------------------------

TIMED: dict[str, dict[str, Any]] = {
    "piecewise_constant": {"boundaries": [1, 2.5], "factors": [1, 0.5, 0.1]},
    "step": {"step_size": 1.5},
    "multi_step": {"milestones": [1.5, 2]},
    "exponential": {"decay_rate": 0.5, "decay_steps": 1.25, "staircase": True},
    "cosine": {"decay_steps": 3.5},
    "cosine_restarts": {"first_period": 0.75, "period_factor": 1.25},
    "cyclic": {"half_period": 0.75},
    "inverse_sqrt": {"reference": 1.5},
}


@pytest.mark.parametrize("kind", TIMED)
@pytest.mark.parametrize("warmup", [None, {"epochs": 0.5}])
def test_an_epoch_is_as_long_as_its_steps(kind: str, warmup: Any) -> None:
    in_epochs = {"kind": kind, "warmup": warmup, **TIMED[kind]}
    scaled = {
        name: np.multiply(value, 8).tolist()
        for name, value in TIMED[kind].items()
        if name in ("boundaries", "step_size", "milestones", "decay_steps", "first_period")
        or name in ("half_period", "reference")
    }
    in_steps = {
        **in_epochs,
        **scaled,
        "unit": "step",
        "warmup": warmup and {"steps": 4},
    }
    agree(ours(in_steps, 40, steps_per_epoch=8), ours(in_epochs, 40, steps_per_epoch=8))


@pytest.mark.parametrize("kind", ["linear", "cosine", "polynomial", "linear_cosine"])
def test_decay_fills_the_planned_length_after_warmup(kind: str) -> None:
    document = {"kind": kind, "warmup": {"epochs": 1}}
    spelled = {**document, "unit": "step", "decay_steps": 40}
    found = ours(document, 60, steps_per_epoch=10, epochs=5)
    agree(found, ours(spelled, 60, steps_per_epoch=10, epochs=5))
    assert found[50] <= 0.001


@some
@given(st.integers(1, 40), st.integers(1, 30))
def test_rounding_never_moves_a_boundary(per_epoch: int, tenths: int) -> None:
    """A size of n tenths of an epoch is reached by the first step at or past each multiple."""
    found = ours(
        {"kind": "step", "step_size": tenths / 10, "gamma": 0.5},
        5 * per_epoch,
        steps_per_epoch=per_epoch,
    )
    exact = [10 * step // (tenths * per_epoch) for step in range(5 * per_epoch)]
    agree(found, np.power(0.5, exact))


# -- warmup ---------------------------------------------------------------------------------------


@some
@given(st.integers(1, 8), st.floats(0.01, 1.0), st.integers(1, 12))
def test_linear_warmup_then_cosine(length: int, start: float, decay: int) -> None:
    document = {
        "kind": "cosine",
        "decay_steps": decay,
        "warmup": {"epochs": length, "start_factor": start},
    }
    total = length + decay + 1
    found = ours(document, total)
    expected, _ = torchs(
        lambda o: lr_scheduler.SequentialLR(
            o,
            [
                lr_scheduler.LinearLR(o, start, 1.0, length),
                lr_scheduler.CosineAnnealingLR(o, decay),
            ],
            [length],
        ),
        total,
    )
    agree(found, expected)
    theirs = optaxs(
        lambda: optax.warmup_cosine_decay_schedule(start, 1.0, length, length + decay), total
    )
    agree(found, theirs)


@pytest.mark.parametrize(
    ("warmup", "expected"),
    [
        ({"steps": 4, "start_factor": 0.0}, [0, 0.25, 0.5, 0.75, 0.5, 0.5, 0.5, 0.25]),
        ({"steps": 2, "start_factor": 0.2, "kind": "constant"}, [0.2, 0.2, 0.5, 0.5, 0.5, 0.25]),
        (
            {"epochs": 2, "start_factor": 1e-4, "kind": "exponential"},
            [1e-4, 1e-3, 1e-2, 1e-1, 0.5, 0.5, 0.5, 0.25],
        ),
        ({"steps": 1.5, "start_factor": 0.1}, [0.1, 0.7, 0.5, 0.5, 0.25]),
        ({"steps": 0}, [0.5, 0.5, 0.5, 0.25]),
        ({"epochs": 0}, [0.5, 0.5, 0.5, 0.25]),
    ],
)
def test_warmup_rises_to_the_rate_and_then_the_schedules_time_begins(
    warmup: Any, expected: list[float]
) -> None:
    document = {"kind": "piecewise_constant", "boundaries": [1], "factors": [0.5, 0.25]}
    agree(ours({**document, "warmup": warmup}, len(expected), steps_per_epoch=2), expected)


def test_a_warmup_longer_than_the_plan_goes_on() -> None:
    found = ours({"kind": "cosine", "warmup": {"epochs": 4, "start_factor": 0.0}}, 3, epochs=2)
    agree(found, [0.0, 0.25, 0.5])


# -- sequence -------------------------------------------------------------------------------------


@some
@given(st.integers(1, 8), st.integers(1, 8), st.floats(0.5, 0.99))
def test_a_sequence_is_torchs_and_optaxs(first: int, second: int, gamma: float) -> None:
    document = {
        "kind": "sequence",
        "parts": [
            {"schedule": "constant", "length": first},
            {"schedule": {"kind": "step", "step_size": 2, "gamma": gamma}, "length": second},
            {
                "schedule": {"kind": "exponential", "decay_rate": gamma, "decay_steps": 1},
                "length": 5,
            },
        ],
    }
    total = first + second + 10
    found = ours(document, total)
    expected, _ = torchs(
        lambda o: lr_scheduler.SequentialLR(
            o,
            [
                lr_scheduler.ConstantLR(o, 1.0),
                lr_scheduler.StepLR(o, 2, gamma),
                lr_scheduler.ExponentialLR(o, gamma),
            ],
            [first, first + second],
        ),
        total,
    )
    agree(found, expected)
    theirs = optaxs(
        lambda: optax.join_schedules(
            [
                optax.constant_schedule(1.0),
                optax.exponential_decay(1.0, 2, gamma, staircase=True),
                optax.exponential_decay(1.0, 1, gamma),
            ],
            [first, first + second],
        ),
        total,
    )
    agree(found, theirs)


def test_a_part_decays_over_its_own_length_after_its_own_warmup() -> None:
    part = {"kind": "linear", "warmup": {"steps": 2, "start_factor": 0.5}}
    document = {
        "kind": "sequence",
        "warmup": {"steps": 1, "start_factor": 0.125},
        "parts": [{"schedule": part, "length": 2}, {"schedule": "linear", "length": 0.5}],
    }
    found = ours(document, 12, steps_per_epoch=3)
    part_1 = [0.5, 0.75, 1.0, 0.75, 0.5, 0.25]
    agree(found, [0.125, *part_1, 1.0, 1 / 3, 0.0, 0.0, 0.0])


def test_a_part_shorter_than_a_step_may_own_none() -> None:
    tiny = {"schedule": {"kind": "linear", "start_factor": 0.1}, "length": 0.3}
    document = {
        "kind": "sequence",
        "unit": "step",
        "parts": [tiny, tiny, {"schedule": {"kind": "constant"}, "length": 1}],
    }
    agree(ours(document, 3), [0.1, 1.0, 1.0])
