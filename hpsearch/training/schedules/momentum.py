"""Momentum that runs inversely to the rate: the field `momentum_cycle` of some schedules.

A schedule without it leaves momentum alone. Momentum, and beta1 in Adam's family, is a value here,
not a multiplier.
"""

from __future__ import annotations

import numpy as np

from hpsearch.spec.language.family import load_object
from hpsearch.spec.schedule import Schedule, Sequence
from hpsearch.training.schedules.clock import Clock, Floats, Horizon, Integers, Shape


def momentum_values(
    schedule: Schedule, steps: Integers, horizon: Horizon, momentum: float
) -> Floats | None:
    """Momentum in force at each optimizer step [N]; none when the schedule leaves it alone.

    Args:
        schedule: resolved, so that it holds no distribution.
        steps: 0-based [N].
        horizon: what the schedule is laid over.
        momentum: the optimizer's own, in force in those parts of a sequence that leave it alone.
    """
    if not schedule.moves_momentum:
        return None
    return _values(schedule, Clock.of(steps, horizon, ()), momentum)


def _values(schedule: Schedule, clock: Clock, momentum: float) -> Floats:
    """During warmup momentum stands where the cycle begins."""
    clock = clock.after(clock.warmup_steps(schedule.warmup))
    values = np.full(len(clock.step), momentum)
    if isinstance(schedule, Sequence):
        for part, owned, part_clock in clock.parts(schedule):
            values[owned] = _values(part, part_clock, momentum)
    elif schedule.moves_momentum and (cycle := schedule.momentum) is not None:
        height: Shape = load_object(cycle.height)
        values = cycle.high - (cycle.high - cycle.low) * height(schedule, clock)
    return values
