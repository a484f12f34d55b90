"""`reduce_on_plateau` against torch, epoch by epoch."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from schedule_oracles import ADAPTER, agree, ours
from torch.optim.lr_scheduler import ReduceLROnPlateau

from hpsearch.training.schedules import Horizon, lr_factors, reads_history

curves = st.lists(
    st.one_of(
        st.floats(-2.0, 2.0),
        st.sampled_from([0.5, 0.5 * (1 - 1e-4), 1.0, 0.0, math.nan, math.inf, -math.inf]),
    ),
    max_size=30,
)


def theirs(curve: list[float], mode: Literal["min", "max"], **fields: Any) -> list[float]:
    """Torch's rate after 0, 1, ..., E epochs."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    scheduler = ReduceLROnPlateau(optimizer, mode, threshold_mode="rel", eps=0.0, **fields)
    rates = [1.0]
    for value in curve:
        scheduler.step(value)
        rates.append(optimizer.param_groups[0]["lr"])
    return rates


def by_definition(curve: list[float], mode: Literal["min", "max"], **fields: Any) -> list[float]:
    """The rate after 0, 1, ..., E epochs, an improvement being threshold·|best| beyond the best."""
    sign = 1 if mode == "min" else -1
    best, waited, cooling, rates = math.inf * sign, 0, 0, [1.0]
    for value in curve:
        margin = fields["threshold"] * abs(best) if math.isfinite(best) else 0.0
        if sign * (best - value) > margin or (math.isinf(best) and sign * value < sign * best):
            best, waited = value, 0
        elif not cooling:
            waited += 1
        if cooling:
            cooling, waited = cooling - 1, 0
        if waited > fields["patience"]:
            waited, cooling = 0, fields["cooldown"]
            rates.append(max(rates[-1] * fields["factor"], fields["min_lr"]))
        else:
            rates.append(rates[-1])
    return rates


@settings(max_examples=400)
@given(
    curves,
    st.sampled_from(["val_loss", "val_accuracy", "ema_val_f1", "train_objective", "val_r2"]),
    st.floats(0.1, 0.9),
    st.integers(0, 3),
    st.sampled_from([0.0, 1e-4, 0.1]),
    st.integers(0, 3),
    st.sampled_from([0.0, 0.05]),
)
def test_it_reduces_when_torch_does(
    curve: list[float],
    metric: str,
    factor: float,
    patience: int,
    threshold: float,
    cooldown: int,
    least: float,
) -> None:
    fields = {
        "factor": factor,
        "patience": patience,
        "threshold": threshold,
        "cooldown": cooldown,
    }
    mode: Literal["min", "max"] = "max" if metric.endswith(("accuracy", "f1", "r2")) else "min"
    document = {"kind": "reduce_on_plateau", "metric": metric, "min_factor": least, **fields}
    found = ours(document, len(curve) + 1, history=curve)
    if not any(value < 0 for value in curve):
        agree(found, theirs(curve, mode, min_lr=least, **fields))
    # Steps of a 64th, so that no margin is missed by a rounding.
    coarse = [round(value * 64) / 64 if math.isfinite(value) else value for value in curve]
    fields["threshold"] = {0.0: 0.0, 1e-4: 1 / 8192, 0.1: 0.125}[threshold]
    found = ours({**document, **fields}, len(curve) + 1, history=coarse)
    agree(found, by_definition(coarse, mode, min_lr=least, **fields))


@given(st.lists(st.integers(1, 640), max_size=30), st.sampled_from([0.0, 0.125]), st.integers(0, 3))
def test_falling_below_zero_is_rising_above_it(
    sizes: list[int], threshold: float, patience: int
) -> None:
    fields = {"threshold": threshold, "patience": patience, "kind": "reduce_on_plateau"}
    curve = [size / 64 for size in sizes]
    rising = ours({**fields, "metric": "val_r2"}, len(curve) + 1, history=curve)
    falling = ours({**fields, "metric": "val_loss"}, len(curve) + 1, history=[-v for v in curve])
    agree(rising, falling)


def test_a_metric_of_ones_own_says_which_way_it_is_better() -> None:
    document = {"kind": "reduce_on_plateau", "metric": "val_weight_loss", "patience": 0}
    with pytest.raises(ValidationError, match="or maximize, as val_weight_loss is none"):
        ADAPTER.validate_python(document)
    curve = [-3.0, -2.0, -1.0]
    found = ours({**document, "direction": "maximize"}, 4, history=curve)
    agree(found, np.ones(4))
    found = ours({**document, "direction": "minimize"}, 4, history=curve)
    agree(found, np.array([1.0, 1.0, 0.5, 0.25]))


def test_a_factor_is_in_force_from_the_epoch_after_and_all_through_it() -> None:
    document = {"kind": "reduce_on_plateau", "patience": 0, "factor": 0.5}
    found = ours(document, 12, steps_per_epoch=3, history=[1.0, 1.0])
    agree(found, [1.0] * 6 + [0.5] * 6)


def test_a_longer_curve_never_changes_what_was() -> None:
    curve = list(np.random.default_rng(0).uniform(size=20))
    document = {"kind": "reduce_on_plateau", "patience": 1}
    whole = ours(document, 21, history=curve)
    for epochs in range(20):
        agree(ours(document, epochs + 1, history=curve[:epochs]), whole[: epochs + 1])


def test_epochs_of_warmup_do_not_count() -> None:
    document = {"kind": "reduce_on_plateau", "patience": 1, "warmup": {"epochs": 3}}
    without = {"kind": "reduce_on_plateau", "patience": 1}
    curve = [1.0] * 8
    found = ours(document, 9, history=curve)
    agree(found[3:], ours(without, 6, history=curve[3:]))


def test_a_later_part_of_a_sequence_sees_the_epochs_since_it_began() -> None:
    plateau = {"kind": "reduce_on_plateau", "patience": 0, "factor": 0.1}
    document = {
        "kind": "sequence",
        "unit": "step",
        "parts": [{"schedule": "constant", "length": 5}, {"schedule": plateau, "length": 5}],
    }
    # Two steps an epoch: the plateau begins within epoch 2, whose end is the first it counts.
    found = ours(document, 12, steps_per_epoch=2, history=[0.1, 0.2, 1.0, 1.0, 0.5])
    agree(found, [1.0] * 8 + [0.1] * 4)


@pytest.mark.parametrize(
    ("document", "metric"),
    [
        ("cosine", None),
        ("reduce_on_plateau", "val_loss"),
        ({"kind": "reduce_on_plateau", "metric": "val_auc"}, "val_auc"),
        (
            {"kind": "sequence", "parts": [{"schedule": "reduce_on_plateau", "length": 1}]},
            "val_loss",
        ),
        ({"kind": "sequence", "parts": [{"schedule": "cosine", "length": 1}]}, None),
    ],
)
def test_the_metric_it_follows_is_named(document: Any, metric: str | None) -> None:
    assert reads_history(ADAPTER.validate_python(document)) == metric


def test_a_preview_without_a_curve_is_flat() -> None:
    schedule = ADAPTER.validate_python("reduce_on_plateau")
    agree(lr_factors(schedule, np.arange(50), Horizon(5, 10)), np.ones(50))
