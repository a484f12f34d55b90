"""Schedules that rise again: warm restarts, triangles, one cycle; multipliers [N] by step.

`height` is the place of a moment in its cycle, 0 at the low end and 1 at the top; momentum, where
it cycles too, runs down the same height.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from hpsearch.spec.schedules import cycles as spec
from hpsearch.training.schedules.clock import Clock, Floats, floor
from hpsearch.training.schedules.decay import half_cosine


def cosine_restarts(schedule: spec.CosineRestarts, clock: Clock) -> Floats:
    """Half a cosine in each period, from `max_decay`^n down to `min_factor`·`min_decay`^n."""
    time = clock.periods(schedule, schedule.first_period)
    growth = schedule.period_factor - 1.0
    if growth > 0:
        # Restart n is at (κ^n − 1) / (κ − 1); expm1 and log1p keep it exact for κ near 1.
        rate = np.log1p(growth)
        restarts = floor(np.log1p(np.minimum(time * growth, 1e300)) / rate)
        begun = np.expm1(restarts * rate) / growth
    else:
        restarts = begun = floor(time)
    progress = np.clip((time - begun) / schedule.period_factor**restarts, 0.0, 1.0)
    high = schedule.max_decay**restarts
    low = schedule.min_factor * schedule.min_decay**restarts
    return low + (high - low) * half_cosine(progress)


def cyclic(schedule: spec.Cyclic, clock: Clock) -> Floats:
    """Triangles between `min_factor` and 1, decayed cycle by cycle."""
    cycle = _cycle(schedule, clock)
    high = schedule.max_decay**cycle
    low = schedule.min_factor * schedule.min_decay**cycle
    return low + (high - low) * cyclic_height(schedule, clock)


def cyclic_height(schedule: spec.Cyclic, clock: Clock) -> Floats:
    """0 at the low end of a triangle, 1 at its top, less where the mode lowers tops."""
    halves = clock.periods(schedule, schedule.half_period)
    cycle = _cycle(schedule, clock)
    triangle = np.maximum(1.0 - np.abs(halves - 2.0 * cycle - 1.0), 0.0)
    if schedule.mode == "triangular2":
        return triangle * 0.5**cycle
    if schedule.mode == "exp_range":
        return triangle * schedule.gamma ** clock.time(schedule)
    return triangle


def _cycle(schedule: spec.Cyclic, clock: Clock) -> Floats:
    return floor(clock.periods(schedule, schedule.half_period) / 2.0)


def one_cycle(schedule: spec.OneCycle, clock: Clock) -> Floats:
    """From 1 / div_factor up to 1, back down, and further down to the end."""
    first = 1.0 / schedule.div_factor
    last = first / schedule.final_div_factor
    return _phases(schedule, clock, (first, 1.0, first, last), (first, 1.0, last))


def one_cycle_height(schedule: spec.OneCycle, clock: Clock) -> Floats:
    """0 at both ends of the cycle, 1 at its top."""
    return _phases(schedule, clock, (0.0, 1.0, 0.0, 0.0), (0.0, 1.0, 0.0))


def _phases(
    schedule: spec.OneCycle,
    clock: Clock,
    three: tuple[float, float, float, float],
    two: tuple[float, float, float],
) -> Floats:
    """Interpolates the values at the phases' ends, which are step indices, not counts."""
    steps = clock.planned
    top = schedule.pct_start * steps - 1.0
    ends: tuple[float, ...] = (0.0, top, steps - 1.0)
    values: tuple[float, ...] = two
    if schedule.three_phase:
        ends, values = (0.0, top, 2.0 * top, steps - 1.0), three
    now = np.minimum(clock.elapsed, steps - 1.0)
    result = np.empty(len(now))
    phases = list(pairwise(zip(ends, values, strict=True)))
    for (begin, low), (end, high) in reversed(phases):
        fraction = (now - begin) / (end - begin) if end > begin else np.ones(len(now))
        left = half_cosine(fraction) if schedule.anneal == "cos" else 1.0 - fraction
        result = np.where(now <= end, high + (low - high) * left, result)
    return result
