from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpsearch.spec.language.distributions import (
    Choice,
    Distribution,
    IntLogUniform,
    IntUniform,
    LogUniform,
    Uniform,
)

UNITS = st.floats(0, 1, exclude_max=True)
REALS = st.floats(-1e6, 1e6, allow_subnormal=False)
POSITIVES = st.floats(1e-9, 1e9)


def _ordered(numbers: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, Any]]:
    """Pairs low <= high; one-point ranges among them."""
    return st.tuples(numbers, numbers).map(lambda pair: (min(pair), max(pair)))


STEPS = st.none() | st.floats(1e-3, 1e3)
INT_STEPS = st.none() | st.integers(1, 1000)
INTERVALS = st.one_of(
    st.builds(lambda ends, step: Uniform(uniform=ends, step=step), _ordered(REALS), STEPS),
    st.builds(lambda ends: LogUniform(log_uniform=ends), _ordered(POSITIVES)),
    st.builds(
        lambda ends, step: IntUniform(int_uniform=ends, step=step),
        _ordered(st.integers(-(10**6), 10**6)),
        INT_STEPS,
    ),
    st.builds(
        lambda ends, step: IntLogUniform(int_log_uniform=ends, step=step),
        _ordered(st.integers(1, 10**6)),
        INT_STEPS,
    ),
)
OPTIONS = st.one_of(st.none(), st.booleans(), st.integers(), st.text(), st.lists(st.integers()))
CHOICES = st.lists(OPTIONS, min_size=1).map(lambda options: Choice[Any](choice=tuple(options)))


@given(INTERVALS | CHOICES, UNITS)
def test_whatever_is_drawn_can_be_drawn(distribution: Distribution, unit: float) -> None:
    assert distribution.contains(distribution.from_unit(unit))


@given(INTERVALS, UNITS)
def test_the_way_back_leads_to_the_same_value(distribution: Distribution, unit: float) -> None:
    value = distribution.from_unit(unit)
    back = distribution.to_unit(value)
    assert 0 <= back <= 1
    assert distribution.from_unit(back) == pytest.approx(value, rel=1e-9, abs=1e-9)


@given(INTERVALS, UNITS, UNITS)
def test_a_larger_unit_gives_no_smaller_value(
    distribution: Distribution, one: float, two: float
) -> None:
    low, high = sorted((one, two))
    assert distribution.from_unit(low) <= distribution.from_unit(high)


@given(REALS, UNITS)
def test_a_range_of_one_point_gives_this_point(point: float, unit: float) -> None:
    distribution = Uniform(uniform=(point, point))
    assert distribution.from_unit(unit) == point
    assert distribution.to_unit(point) == 0.5
    assert distribution.contains(point)
    assert not distribution.contains(point + 1)


@given(POSITIVES, UNITS)
def test_a_logarithmic_range_of_one_point_gives_this_point(point: float, unit: float) -> None:
    assert LogUniform(log_uniform=(point, point)).from_unit(unit) == point


@pytest.mark.parametrize(
    ("distribution", "ends"),
    [
        (Uniform(uniform=(-2, 3)), (-2, 3)),
        (LogUniform(log_uniform=(1e-5, 1)), (1e-5, 1)),
        (IntUniform(int_uniform=(2, 9)), (2, 9)),
        (IntLogUniform(int_log_uniform=(1, 512)), (1, 512)),
        (Uniform(uniform=(0, 1), step=0.3), (0, 0.9)),
        (IntUniform(int_uniform=(2, 9), step=3), (2, 8)),
        (Uniform(uniform=(0.1, 0.7), step=0.1), (0.1, 0.7)),  # 0.1 + 6 * 0.1 > 0.7
    ],
)
def test_both_ends_are_reached(distribution: Distribution, ends: tuple[float, float]) -> None:
    drawn = distribution.from_unit(0), distribution.from_unit(math.nextafter(1, 0))
    assert drawn == pytest.approx(ends)
    assert all(distribution.contains(end) for end in drawn)


def test_the_middle_of_a_logarithmic_range_is_its_geometric_mean() -> None:
    assert LogUniform(log_uniform=(1e-5, 1e-1)).from_unit(0.5) == pytest.approx(1e-3)


@given(st.integers(-50, 50), st.integers(0, 30), st.integers(1, 7))
def test_every_whole_number_has_an_equal_share(low: int, width: int, step: int) -> None:
    distribution = IntUniform(int_uniform=(low, low + width), step=step)
    values = list(range(low, low + width + 1, step))
    for i, value in enumerate(values):
        share = Fraction(i, len(values)), Fraction(i + 1, len(values))
        for unit in (share[0] + Fraction(1, 10**6), share[1] - Fraction(1, 10**6)):
            assert distribution.from_unit(float(unit)) == value


@given(st.lists(st.integers(), min_size=1, unique=True), UNITS)
def test_every_option_has_an_equal_share(options: list[int], unit: float) -> None:
    choice = Choice[int](choice=tuple(options))
    assert choice.from_unit(unit) == options[int(unit * len(options))]
    for option in options:
        assert choice.from_unit(choice.to_unit(option)) == option


@pytest.mark.parametrize(
    ("distribution", "value", "drawable"),
    [
        (Uniform(uniform=(0, 1)), 1, True),
        (Uniform(uniform=(0, 1)), 1.1, False),
        (Uniform(uniform=(0, 1)), True, False),
        (Uniform(uniform=(0, 1)), "0.5", False),
        (Uniform(uniform=(0, 1)), math.nan, False),
        (Uniform(uniform=(0, 1)), None, False),
        (Uniform(uniform=(0, 1), step=0.25), 0.75, True),
        (Uniform(uniform=(0, 1), step=0.25), 0.7, False),
        (IntUniform(int_uniform=(0, 10)), 3, True),
        (IntUniform(int_uniform=(0, 10)), 3.0, False),
        (IntUniform(int_uniform=(0, 10), step=4), 8, True),
        (IntUniform(int_uniform=(0, 10), step=4), 10, False),
        (Choice[Any](choice=(1, "a", None)), None, True),
        (Choice[Any](choice=(1, "a")), True, False),
        (Choice[Any](choice=(True, "a")), 1, False),
        (Choice[Any](choice=([1, 2], 3)), [1, 2], True),
    ],
)
def test_what_can_be_drawn(distribution: Distribution, value: Any, drawable: bool) -> None:
    assert distribution.contains(value) is drawable
