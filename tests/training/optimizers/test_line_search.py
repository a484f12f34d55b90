"""The line search on functions of one length: what it returns keeps the strong Wolfe conditions."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpsearch.training.optimizers.line_search import CURVATURE, SUFFICIENT_DECREASE, strong_wolfe

Curve = Callable[[float], tuple[float, float]]


def search(curve: Curve, first: float, evaluations: int = 25) -> tuple[float, list[float]]:
    """The accepted length, and all that were asked for."""
    loss, slope = curve(0.0)
    running = strong_wolfe(first, loss, slope, evaluations)
    asked = [next(running)]
    while True:
        try:
            asked.append(running.send(curve(asked[-1])))
        except StopIteration as end:
            return float(end.value), asked


def holds(curve: Curve, length: float) -> bool:
    loss, slope = curve(0.0)
    there, slope_there = curve(length)
    falls = there <= loss + SUFFICIENT_DECREASE * length * slope
    return falls and abs(slope_there) <= CURVATURE * abs(slope)


def parabola(minimum: float, height: float) -> Curve:
    return lambda a: (height * (a - minimum) ** 2, 2 * height * (a - minimum))


@given(
    minimum=st.floats(1e-3, 1e3),
    height=st.floats(1e-3, 1e3),
    first=st.floats(1e-3, 1e3),
)
def test_parabolas(minimum: float, height: float, first: float) -> None:
    curve = parabola(minimum, height)
    length, asked = search(curve, first)
    assert length in asked
    assert holds(curve, length)


@given(
    wiggles=st.lists(
        st.tuples(st.floats(0.1, 2), st.floats(0.2, 5), st.floats(0, 6.3)), min_size=1, max_size=4
    ),
    first=st.floats(0.01, 20),
)
def test_wavy_losses(wiggles: list[tuple[float, float, float]], first: float) -> None:
    def curve(a: float) -> tuple[float, float]:
        loss = 0.05 * a * a + sum(h * math.cos(f * a + p) for h, f, p in wiggles)
        slope = 0.1 * a - sum(h * f * math.sin(f * a + p) for h, f, p in wiggles)
        return loss, slope

    if curve(0.0)[1] > -1e-3:
        return
    length, _ = search(curve, first)
    assert holds(curve, length)


def test_a_fitting_first_length_is_taken_at_once() -> None:
    assert search(parabola(1.0, 1.0), 1.0) == (1.0, [1.0])


def test_a_wall_of_nan_is_stepped_back_from() -> None:
    def curve(a: float) -> tuple[float, float]:
        return (
            (math.nan, math.nan)
            if a > 1
            else (-math.log1p(-a + 1e-9) - 3 * a, 1 / (1 - a + 1e-9) - 3)
        )

    length, _ = search(curve, 50.0)
    assert 0 < length < 1
    assert holds(curve, length)


@pytest.mark.parametrize("evaluations", [1, 2, 3])
def test_the_number_of_evaluations_is_kept(evaluations: int) -> None:
    length, asked = search(parabola(1e-6, 1.0), 1e3, evaluations)
    assert len(asked) == evaluations
    assert parabola(1e-6, 1.0)(length)[0] <= parabola(1e-6, 1.0)(0.0)[0]


@given(
    first=st.floats(1e-300, 1e300),
    loss=st.floats(allow_nan=True, allow_infinity=True),
    slope=st.floats(-1e300, -1e-300),
    replies=st.lists(st.tuples(st.floats(), st.floats()), min_size=25, max_size=25),
)
def test_whatever_it_is_told_it_ends(
    first: float, loss: float, slope: float, replies: list[tuple[float, float]]
) -> None:
    told = iter([(loss, slope), *replies])
    length, asked = search(lambda _: next(told), first)
    assert length in [0.0, *asked]


def test_it_stands_still_when_nothing_is_better() -> None:
    length, asked = search(lambda a: (0.0, -1.0) if a == 0 else (1.0 + a, 1.0), 1.0)
    assert length == 0
    assert len(asked) <= 25
