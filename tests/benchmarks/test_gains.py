"""Gains of ensembles in the benchmark's tables, and how sure they are."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as student

from benchmarks.gains import Gain, Pair, Row, Score

TIE = Pair(Score(0.9, 0.3), Score(0.9, 0.3))
WON = Pair(Score(0.95, 0.2), Score(0.9, 0.3))


@pytest.mark.parametrize("count", [2, 3, 40])
def test_ties_alone_are_nothing_give_or_take_nothing(count: int) -> None:
    row = Row([TIE] * count)
    assert row.accuracy == (0, 0)
    assert str(row.accuracy) == "+0.0000 ±0.0000"
    assert row.record == f"0/{count}/0"
    assert "nan" not in str(row)


@settings(max_examples=100)
@given(st.floats(-1, 1), st.integers(2, 60))
def test_equal_differences_have_an_interval_of_no_width(value: float, count: int) -> None:
    assert Gain.of(np.full(count, value)) == (value, 0)


@settings(max_examples=100)
@given(st.lists(st.floats(-1, 1), min_size=2, max_size=30).filter(lambda v: np.ptp(v) > 1e-6))
def test_the_interval_is_student_s(values: list[float]) -> None:
    mean, half = Gain.of(np.array(values))
    error = np.std(values, ddof=1) / math.sqrt(len(values))
    low, high = student.interval(0.95, len(values) - 1, np.mean(values), error)
    assert (mean - half, mean + half) == (pytest.approx(low), pytest.approx(high))


def test_a_single_seed_says_nothing_of_others() -> None:
    gain = Row([WON]).accuracy
    assert (gain.mean, gain.half) == (pytest.approx(0.05), math.inf)
    assert str(gain) == "+0.0500 ±?"
    assert gain.mean <= gain.half  # no goal is met by it


def test_no_error_before_leaves_none_to_reduce() -> None:
    perfect = Pair(Score(1.0, 0.1), Score(1.0, 0.2))
    assert Row([perfect, perfect]).reduction == 0
