"""A line search for the strong Wolfe conditions, as a generator: it asks, the caller evaluates.

φ(a) is the loss at length a along a direction of descent, φ'(a) its slope there. A length is
accepted when φ(a) ≤ φ(0) + c1·a·φ'(0) (the loss falls enough) and |φ'(a)| ≤ c2·|φ'(0)| (it has
little left to fall). Trials of a group each run their own search, and one evaluation of the group
answers all of them.

Source: Nocedal & Wright 2006, algorithms 3.5 (bracket) and 3.6 (zoom).
"""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import NamedTuple, TypeAlias

SUFFICIENT_DECREASE = 1e-4
CURVATURE = 0.9
MAX_GROWTH = 10.0
EDGE = 0.1
"""A bracket's ends, as a share of it, that interpolation must not fall into."""


class Point(NamedTuple):
    """A length, and loss and slope there."""

    length: float
    loss: float
    slope: float


Search: TypeAlias = Generator[float, tuple[float, float], float]


def strong_wolfe(length: float, loss: float, slope: float, evaluations: int = 25) -> Search:
    """Yields lengths, is sent (loss, slope) at each, and returns the length accepted.

    Args:
        length: tried first, > 0.
        loss: φ(0).
        slope: φ'(0), < 0.
        evaluations: at most this many; then the best length so far is returned, 0 if none is
            better than standing still.
    """
    start = previous = Point(0.0, loss, slope)
    for used in range(1, evaluations + 1):
        here = Point(length, *(yield length))
        if not _falls(here, start) or (used > 1 and here.loss >= previous.loss):
            return (yield from _zoom(start, previous, here, evaluations - used))
        if abs(here.slope) <= -CURVATURE * slope:
            return length
        if here.slope >= 0:
            return (yield from _zoom(start, here, previous, evaluations - used))
        longest = MAX_GROWTH * length
        guess = _minimum(previous, here)
        shortest = length + 0.01 * (length - previous.length)
        length = longest if math.isnan(guess) else min(max(guess, shortest), longest)
        previous = here
    return previous.length


def _zoom(start: Point, low: Point, high: Point, evaluations: int) -> Search:
    """Shrinks a bracket whose end `low` has the smaller loss and a slope that leads into it."""
    for _ in range(evaluations):
        width = high.length - low.length
        if abs(width * low.slope) <= 1e-16 * max(1.0, abs(low.loss)):
            break
        guess = _minimum(low, high)
        inner = sorted((low.length + EDGE * width, high.length - EDGE * width))
        length = (
            low.length + 0.5 * width if math.isnan(guess) else min(max(guess, inner[0]), inner[1])
        )
        here = Point(length, *(yield length))
        if not _falls(here, start) or here.loss >= low.loss:
            high = here
            continue
        if abs(here.slope) <= -CURVATURE * start.slope:
            return length
        if here.slope * width >= 0:
            high = low
        low = here
    return low.length


def _falls(here: Point, start: Point) -> bool:
    """Whether the loss falls enough; not so where it is no number."""
    return here.loss <= start.loss + SUFFICIENT_DECREASE * here.length * start.slope


def _minimum(left: Point, right: Point) -> float:
    """Where the cubic through two points and their slopes is least; NaN where it is nowhere."""
    if not math.isfinite(left.loss + right.loss + left.slope + right.slope):
        return math.nan
    width = right.length - left.length
    mean = left.slope + right.slope - 3 * (right.loss - left.loss) / width
    square = mean * mean - left.slope * right.slope
    if square < 0:
        return math.nan
    root = math.copysign(math.sqrt(square), width)
    below = right.slope - left.slope + 2 * root
    if below == 0:
        return math.nan
    return right.length - width * (right.slope + root - mean) / below
