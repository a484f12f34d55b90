from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from hpsearch.ensembling.calibration import (
    apply_temperature,
    expected_calibration_error,
    fit_temperature,
)


def drawn(seed, rows=300, classes=4, sharpness=1.0):
    """Classes that are drawn from softmax(logits), and the probabilities of sharpened logits."""
    rng = np.random.default_rng(seed)
    logits = 2 * rng.normal(size=(rows, classes))
    chosen = rng.gumbel(size=logits.shape) + logits
    return softmax(sharpness * logits, axis=1), chosen.argmax(1)


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.floats(0.2, 2), st.integers(2, 6))
def test_no_temperature_has_a_smaller_loss(seed, sharpness, classes):
    probabilities, targets = drawn(seed, 80, classes, sharpness)

    def loss(inverse):
        logs = log_softmax(inverse * np.log(probabilities), axis=1)
        return -logs[np.arange(len(targets)), targets].mean()

    best = minimize_scalar(loss, bounds=(0.05, 20), method="bounded", options={"xatol": 1e-10})
    found = fit_temperature(probabilities, targets)
    assert loss(1 / found) <= best.fun + 1e-12
    assert 1 / found == pytest.approx(best.x, rel=1e-3)


@pytest.mark.parametrize("known", [0.25, 1.0, 3.0])
def test_what_logits_were_multiplied_with_is_found_again(known):
    probabilities, targets = drawn(1, 20_000, sharpness=known)
    found = fit_temperature(probabilities, targets)
    assert found == pytest.approx(known, rel=0.03)
    mended, labels = apply_temperature(probabilities, found), probabilities.argmax(1)
    assert mended == pytest.approx(drawn(1, 20_000)[0], abs=0.02)
    assert expected_calibration_error(mended, labels, targets) < 0.01
    if known != 1:
        assert expected_calibration_error(probabilities, labels, targets) > 0.05


def test_the_temperature_stays_within_its_range():
    sure, targets = np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([0, 1])
    assert fit_temperature(sure, 1 - targets) == pytest.approx(20)
    hardly = np.array([[0.6, 0.4]] * 999 + [[0.499999, 0.500001]])
    assert fit_temperature(hardly, np.zeros(1000, np.int64)) == pytest.approx(0.05)
    assert fit_temperature(np.full((2, 2), 0.5), targets) > 0


def test_rows_that_are_all_said_right_change_nothing():
    sure, targets = np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([0, 1])
    assert fit_temperature(sure, targets) == 1


def test_shares_of_zero_are_handled():
    votes = np.array([[1.0, 0.0]] * 9 + [[0.0, 1.0]])
    found = fit_temperature(votes, np.zeros(10, np.int64))
    assert apply_temperature(votes, found)[0] == pytest.approx([0.9, 0.1])
    assert apply_temperature(votes, 1.0) == pytest.approx(votes)


def test_the_calibration_error_is_that_of_its_bins():
    probabilities = np.array([[0.7, 0.3], [0.65, 0.35], [0.1, 0.9], [0.0, 1.0]])
    labels, targets = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])
    found = expected_calibration_error(probabilities, labels, targets, bins=5)
    # (0.6, 0.8]: 0.675 stated, 0.5 right; (0.8, 1]: 0.95 stated, all right
    assert found == pytest.approx(0.5 * 0.175 + 0.5 * 0.05)
    assert expected_calibration_error(np.eye(3), np.arange(3), np.arange(3)) == 0


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.integers(1, 20))
def test_the_calibration_error_against_a_loop_over_bins(seed, bins):
    probabilities, targets = drawn(seed, 50)
    labels = probabilities.argmax(1)
    stated, expected = probabilities.max(1), 0.0
    for place in range(bins):
        inside = (stated > place / bins) & (stated <= (place + 1) / bins)
        if inside.any():
            right = (labels == targets)[inside].mean()
            expected += inside.mean() * abs(right - stated[inside].mean())
    assert expected_calibration_error(probabilities, labels, targets, bins) == pytest.approx(
        expected
    )


@settings(max_examples=100)
@given(
    st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 4), st.sampled_from([0, 1, 9, 99])
)
def test_whatever_is_said_the_temperature_stays_bounded(seed, rows, classes, sharpness):
    """Shares of exactly 0 and 1, a single row, a single class, rows that are all right or wrong."""
    rng = np.random.default_rng(seed)
    probabilities = softmax(sharpness * rng.normal(size=(rows, classes)) ** 5, axis=1)
    for targets in (
        rng.integers(classes, size=rows),
        probabilities.argmax(1),
        probabilities.argmin(1),
    ):
        found = fit_temperature(probabilities, targets)
        assert 0.05 <= found <= 20
        mended = apply_temperature(probabilities, found)
        assert np.isfinite(mended).all()
        assert mended.sum(1) == pytest.approx(1)


def test_bins_without_rows_count_for_nothing():
    probabilities, target = np.array([[0.55, 0.45]]), np.array([0])
    assert expected_calibration_error(probabilities, target, target, bins=1000) == pytest.approx(
        0.45
    )
    certain = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert expected_calibration_error(certain, np.array([0, 1]), np.array([1, 1])) == 0.5
