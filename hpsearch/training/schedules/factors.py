"""What surrounds every schedule: warmup, sequence, bounds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hpsearch.spec.language.family import implementation
from hpsearch.spec.schedule import Schedule, metrics_followed
from hpsearch.spec.schedule import Sequence as ScheduleSequence
from hpsearch.spec.schedules.base import Warmup
from hpsearch.training.schedules.clock import Clock, Floats, Horizon, Integers, Shape

MAX_FACTOR = 1e30
"""Rates that grow without end stop here: far past any use, and a number in float32 too."""


def lr_factors(
    schedule: Schedule,
    steps: Integers,
    horizon: Horizon,
    history: Sequence[float] = (),
) -> Floats:
    """The multiplier of `optimizer.lr` at each optimizer step.

    Args:
        schedule: resolved, so that it holds no distribution.
        steps: 0-based [N], in any order; the value at one does not depend on the others.
        horizon: what the schedule is laid over.
        history: the value of the metric that `reads_history` names, at each epoch end so far.

    Returns:
        Factors [N], within [0, MAX_FACTOR].

    Raises:
        InvalidInput: when a lambda's expression is not finite at one of the steps.
    """
    clock = Clock.of(steps, horizon, history)
    with np.errstate(over="ignore"):
        return np.clip(_factors(schedule, clock), 0.0, MAX_FACTOR)


def reads_history(schedule: Schedule) -> str | None:
    """The metric whose curve the schedule follows; none for those that follow time alone."""
    return next(iter(metrics_followed(schedule)), None)


def _factors(schedule: Schedule, clock: Clock) -> Floats:
    length = clock.warmup_steps(schedule.warmup)
    shape: Shape = implementation(type(schedule))
    if schedule.warmup is None or length == 0:
        return shape(schedule, clock)
    rising = clock.step < clock.start + length
    factors = np.empty(len(clock.step))
    factors[rising] = _rise(schedule.warmup, clock.at(rising).elapsed / length)
    factors[~rising] = shape(schedule, clock.after(length).at(~rising))
    return factors


def _rise(warmup: Warmup, progress: Floats) -> Floats:
    """From `start_factor` at 0 to 1 at 1."""
    start = warmup.start_factor
    if warmup.kind == "constant":
        return np.full(len(progress), start)
    if warmup.kind == "exponential":
        return start ** (1.0 - progress)
    return start + (1.0 - start) * progress


def sequence(schedule: ScheduleSequence, clock: Clock) -> Floats:
    """The parts' multipliers, each at the moments that it owns."""
    factors = np.empty(len(clock.step))
    for part, owned, part_clock in clock.parts(schedule):
        factors[owned] = _factors(part, part_clock)
    return factors
