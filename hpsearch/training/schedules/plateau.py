"""`reduce_on_plateau` as a pure function of the curve so far: nothing needs a checkpoint.

The rule is that of torch's ReduceLROnPlateau with threshold_mode `rel` where the best value is
positive. Where it is negative, torch asks for a value that may be *worse* by the threshold's share;
here the margin is threshold·|best| on the better side for either sign. Torch's `eps` (ignore
reductions of less than 1e-8) has no counterpart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from hpsearch.spec.schedules import plateau as spec
from hpsearch.training.schedules.clock import Clock, Floats, near_whole


def reduce_on_plateau(schedule: spec.ReduceOnPlateau, clock: Clock) -> Floats:
    """The factor of each step's epoch [N]; past the curve's end, what its last value decided.

    Epochs that ended before the schedule began do not count.
    """
    per_epoch = clock.horizon.steps_per_epoch
    first = math.floor(near_whole(clock.start / per_epoch))
    factors = factors_by_epoch(schedule, clock.history[first:])
    return factors[np.clip(clock.step // per_epoch - first, 0, len(factors) - 1)]


def factors_by_epoch(schedule: spec.ReduceOnPlateau, curve: Sequence[float]) -> Floats:
    """The factor in force after 0, 1, ..., E epochs of a curve [E] → [E + 1]."""
    sign = -1.0 if schedule.is_maximized(schedule.metric) else 1.0
    best = math.inf
    waited = cooling = 0
    factors = [1.0]
    for value in curve:
        # sign·value falls when the metric improves; a NaN never does.
        improved = sign * value < best * (1.0 - math.copysign(schedule.threshold, best))
        best = sign * value if improved else best
        waited = 0 if improved or cooling else waited + 1
        cooling = max(cooling - 1, 0)
        factor = factors[-1]
        if waited > schedule.patience:
            factor = max(factor * schedule.factor, schedule.min_factor)
            waited, cooling = 0, schedule.cooldown
        factors.append(factor)
    return np.array(factors)
