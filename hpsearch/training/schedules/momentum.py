"""Momentum that runs inversely to the rate: `momentum_cycle` of `cyclic` and `one_cycle`.

A schedule without it leaves momentum alone. Momentum, and beta1 in Adam's family, is a value here,
not a multiplier; the ends are torch's defaults.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hpsearch.spec import schedule as spec
from hpsearch.training.schedules.clock import Clock, Floats, Horizon, Integers
from hpsearch.training.schedules.cycles import cyclic_height, one_cycle_height


@dataclass(frozen=True)
class Cycle:
    """`high` where the rate is lowest, `low` where it peaks."""

    height: Callable[[Any, Clock], Floats]
    low: float
    high: float


CYCLES: Mapping[str, Cycle] = {
    "cyclic": Cycle(cyclic_height, low=0.8, high=0.9),
    "one_cycle": Cycle(one_cycle_height, low=0.85, high=0.95),
}
"""The kinds that have `momentum_cycle`."""


def momentum_values(
    schedule: spec.Schedule, steps: Integers, horizon: Horizon, momentum: float
) -> Floats | None:
    """Momentum in force at each optimizer step [N]; none when the schedule leaves it alone.

    Args:
        schedule: resolved, so that it holds no distribution.
        steps: 0-based [N].
        horizon: what the schedule is laid over.
        momentum: the optimizer's own, in force in those parts of a sequence that leave it alone.
    """
    if not moves_momentum(schedule):
        return None
    return _values(schedule, Clock.of(steps, horizon, ()), momentum)


def moves_momentum(schedule: spec.Schedule) -> bool:
    """Whether the schedule, or a part of it, cycles momentum."""
    if isinstance(schedule, spec.Sequence):
        return any(moves_momentum(part.schedule) for part in schedule.parts)
    return isinstance(schedule, spec.Cyclic | spec.OneCycle) and schedule.momentum_cycle


def _values(schedule: spec.Schedule, clock: Clock, momentum: float) -> Floats:
    """During warmup momentum stands where the cycle begins."""
    clock = clock.after(clock.warmup_steps(schedule.warmup))
    values = np.full(len(clock.step), momentum)
    if isinstance(schedule, spec.Sequence):
        for part, mine, its_clock in clock.parts(schedule):
            values[mine] = _values(part, its_clock, momentum)
    elif moves_momentum(schedule):
        cycle = CYCLES[schedule.kind]
        values = cycle.high - (cycle.high - cycle.low) * cycle.height(schedule, clock)
    return values
