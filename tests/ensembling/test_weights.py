from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from hpsearch.ensembling.combining import probabilities
from hpsearch.ensembling.selection import fit_weights
from hpsearch.ensembling.simplex import minimize_quadratic


def drawn(seed, count, rows, is_classification, classes=3):
    rng = np.random.default_rng(seed)
    if is_classification:
        targets = rng.integers(classes, size=rows)
        sharpness = rng.uniform(0, 3, (count, 1, 1))
        logits = sharpness * np.eye(classes)[targets] + rng.normal(size=(count, rows, classes))
        return probabilities(logits), targets
    targets = rng.normal(size=rows)
    noise = rng.uniform(0.2, 2, (count, 1)) * rng.normal(size=(count, rows))
    return (targets + noise)[..., None].astype(np.float32), targets


def loss(weights, members, targets):
    mean = np.tensordot(weights, members.astype(np.float64), 1)
    if targets.dtype.kind == "i":
        return -np.log(mean[np.arange(len(targets)), targets]).mean()
    return np.square(mean[:, 0] - targets).mean()


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.integers(1, 8), st.integers(3, 60), st.booleans())
def test_no_weights_have_a_smaller_loss(seed, count, rows, is_classification):
    members, targets = drawn(seed, count, rows, is_classification)
    found = fit_weights(members, targets)
    assert found.min() >= 0
    assert found.sum() == pytest.approx(1, abs=1e-12)
    theirs = minimize(
        loss,
        np.full(count, 1 / count),
        (members, targets),
        "SLSQP",
        bounds=[(0, 1)] * count,
        constraints={"type": "eq", "fun": lambda weights: weights.sum() - 1},
        options={"ftol": 1e-12, "maxiter": 500},
    )
    assert loss(found, members, targets) <= theirs.fun + 1e-7
    for corner in [*np.eye(count), np.full(count, 1 / count)]:
        assert loss(found, members, targets) <= loss(corner, members, targets) + 1e-7


@pytest.mark.parametrize("is_classification", [True, False])
def test_many_members_are_weighted_too(is_classification):
    members, targets = drawn(0, 120, 90, is_classification)
    found = fit_weights(members, targets)
    assert found.min() >= 0
    assert found.sum() == pytest.approx(1)
    mean = np.tensordot(found, members.astype(np.float64), 1)
    if is_classification:
        # No weight can promise more than those in use: max mean(p/Σwp) = 1 at the least loss.
        rows = np.arange(len(targets))
        promises = (members[:, rows, targets] / mean[rows, targets]).mean(axis=1)
        assert promises.max() <= 1 + 1e-6
    else:
        slopes = (members[..., 0] * (mean[:, 0] - targets)).mean(axis=1)
        assert slopes.min() >= (found * slopes).sum() - 1e-6


@pytest.mark.parametrize("is_classification", [True, False])
def test_one_member_has_all_the_weight_and_identical_ones_share_it(is_classification):
    members, targets = drawn(1, 1, 20, is_classification)
    assert fit_weights(members, targets).tolist() == [1]
    alike = np.repeat(members, 4, axis=0)
    assert fit_weights(alike, targets) == pytest.approx([0.25] * 4)
    perfect = np.eye(3)[targets][None] if is_classification else targets[None, :, None]
    assert fit_weights(np.repeat(perfect, 4, axis=0), targets) == pytest.approx([0.25] * 4)


def test_a_member_that_is_always_right_has_all_the_weight():
    members, targets = drawn(2, 4, 30, is_classification=True)
    members[2] = np.eye(3)[targets]
    assert fit_weights(members, targets) == pytest.approx([0, 0, 1, 0], abs=1e-6)
    numbers, goal = drawn(2, 4, 30, is_classification=False)
    goal = numbers[2, :, 0].astype(np.float64)
    assert fit_weights(numbers, goal) == pytest.approx([0, 0, 1, 0], abs=1e-6)


def test_classes_that_all_members_hold_impossible_spoil_nothing():
    members = np.tile(np.float32([[1, 0], [1, 0], [0.5, 0.5]]), (2, 1, 1))
    members[1, 2] = (0.25, 0.75)
    found = fit_weights(members, np.array([0, 1, 1]))
    assert found == pytest.approx([0, 1], abs=1e-6)
    assert fit_weights(members[:, :1], np.array([1])).tolist() == [0.5, 0.5]


def test_a_quadratic_is_least_at_its_projection_on_the_simplex():
    start = np.full(3, 1 / 3)
    for point, nearest in (
        ((0.2, 0.3, 0.5), (0.2, 0.3, 0.5)),
        ((2.0, 0.0, 0.0), (1.0, 0.0, 0.0)),
        ((0.5, 0.7, -3.0), (0.4, 0.6, 0.0)),
        ((1.0, 1.0, 1.0), (1 / 3, 1 / 3, 1 / 3)),
    ):
        found = minimize_quadratic(np.eye(3), np.array(point), start)
        assert found == pytest.approx(nearest, abs=1e-9)
    assert minimize_quadratic(np.eye(3), np.array([0.5, 0.7, -3.0]), np.eye(3)[2]) == pytest.approx(
        (0.4, 0.6, 0.0), abs=1e-9
    )


@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_weights_do_not_depend_on_the_unit(scale):
    members, targets = drawn(3, 6, 40, is_classification=False)
    members = members.astype(np.float64)
    found = fit_weights(scale * members, scale * targets)
    assert found == pytest.approx(fit_weights(members, targets), abs=1e-6)
