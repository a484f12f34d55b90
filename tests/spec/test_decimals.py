"""Stepped ranges and grids hold the decimals that are meant: 0.3, not 0.30000000000000004."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpsearch.spec.language.distributions import Interval, LogUniform, Uniform
from hpsearch.spec.space.grid import Steps

_digits = st.integers(0, 6)


@st.composite
def stepped(draw: st.DrawFn) -> tuple[Decimal, Decimal, int, type[Interval]]:
    """Low, step and number of steps, as decimals that a person may write."""
    kind = draw(st.sampled_from([Uniform, LogUniform]))
    low = Decimal(draw(st.integers(1 if kind is LogUniform else -9999, 9999)))
    low = low.scaleb(-draw(_digits))
    step = Decimal(draw(st.integers(1, 999))).scaleb(-draw(_digits))
    return low, step, draw(st.integers(0, 60)), kind


def interval(low: Decimal, step: Decimal, cells: int, kind: type[Interval]) -> Interval:
    ends = (float(low), float(low + cells * step))
    return kind.model_validate({kind.key: ends, "step": float(step)})


@given(case=stepped(), unit=st.floats(0, 1, exclude_max=True))
def test_every_value_of_a_stepped_range_is_its_decimal(
    case: tuple[Decimal, Decimal, int, type[Interval]], unit: float
) -> None:
    low, step, cells, _ = case
    found = interval(*case)
    expected = [float(low + step * cell) for cell in range(cells + 1)]
    assert list(Steps(found)) == expected
    drawn = found.from_unit(unit)
    assert drawn in expected
    assert found.contains(drawn)
    assert found.from_unit(min(found.to_unit(drawn), math.nextafter(1, 0))) == drawn
    assert found.grid_points(cells + 1) == expected or cells == 0 or found.log


@given(case=stepped(), start=st.floats(-0.5, 1), width=st.floats(0, 1))
def test_parts_of_a_stepped_range_hold_decimals_of_the_same_steps(
    case: tuple[Decimal, Decimal, int, type[Interval]], start: float, width: float
) -> None:
    low, step, _, _ = case
    found = interval(*case)
    if found.log:
        start = max(start, 0.0)
    part = found.subrange(start, start + width)
    for end in part.ends:
        cell = round((Decimal(repr(end)) - low) / step)
        assert end == float(low + step * cell)


@given(
    low=st.integers(-999, 999).map(lambda n: Decimal(n).scaleb(-2)),
    gap=st.integers(1, 999).map(lambda n: Decimal(n).scaleb(-3)),
    count=st.integers(2, 40),
)
def test_points_of_an_even_grid_are_decimals(low: Decimal, gap: Decimal, count: int) -> None:
    expected = [float(low + gap * i) for i in range(count)]
    assert Uniform(uniform=(expected[0], expected[-1])).grid_points(count) == expected


@pytest.mark.parametrize(("low", "decades"), [(-5, 5), (-3, 4), (-8, 9), (0, 3)])
def test_points_of_a_logarithmic_grid_are_decades(low: int, decades: int) -> None:
    expected = [float(f"1e{low + i}") for i in range(decades + 1)]
    found = LogUniform(log_uniform=(expected[0], expected[-1]))
    assert found.grid_points(decades + 1) == expected


def test_points_between_decades_are_left_as_they_are() -> None:
    middle = LogUniform(log_uniform=(1e-3, 1.0)).grid_points(3)[1]
    assert middle == pytest.approx(math.sqrt(1e-3), rel=1e-14)
    assert len(repr(middle)) > 15
