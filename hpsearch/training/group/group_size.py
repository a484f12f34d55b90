"""How many trials to train at once: as many as a few measured steps show to pay.

A shape (model, batch size, optimizer, device) is measured once per process: groups of 1, 4, 16
and 64 trials take a few steps each. Of the sizes whose time per trial is within `NEAR` of the best
the smallest is taken, and one by one is left only for a gain of `GAIN` and more. The choice moves
no bit of a trial's curve on a CPU (see `numerics.alignment`), so it may follow the clock.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace

import torch

from hpsearch.training.group.step_cost import StepCost, measure_step_cost
from hpsearch.training.numerics.memory import free_bytes, is_out_of_memory
from hpsearch.training.tasks.plan import Plan, group_key

SIZES = (1, 4, 16, 64)
MOST = SIZES[-1]
NEAR = 1.05
GAIN = 1.35
"""Less was seen to vanish when every core trains, as the cores share caches and memory."""
WORSE = 1.25
"""Past so much more than the best, larger groups are not tried."""
SECONDS = 0.3
"""What measuring a shape may take, beside reading its data and each size's first step."""
SHARE_OF_MEMORY = 0.5
"""Of what is free when a shape is measured."""


@dataclass(frozen=True)
class GroupSize:
    """How trials of one shape train."""

    size: int
    """Trials at once; 1 is one by one."""
    why: str
    """In a sentence, with what was measured."""
    epoch_seconds: float | None = None
    """One trial's share of an epoch, where it was measured."""


class GroupSizes:
    """The group size of every shape that one process has trained on one device."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._sizes: dict[Hashable, GroupSize] = {}

    def choose(self, plan: Plan) -> GroupSize:
        """How to train trials that share this one's group key; measured at the first asking.

        Raises:
            TrainingFailed: when model and data do not fit.
        """
        shape = self._shape(plan)
        if shape not in self._sizes:
            self._sizes[shape] = _measure(plan, self._device)
        return self._sizes[shape]

    def ran_out(self, plan: Plan, size: int) -> GroupSize:
        """The group size after memory ran out with `size` trials like this one: half of it."""
        known = self.choose(plan)
        half = max(1, size // 2)
        if half < known.size:
            how = "one by one" if half == 1 else f"{half} at once"
            why = f"{how}: memory ran out with {size}"
            self._sizes[self._shape(plan)] = known = replace(known, size=half, why=why)
        return known

    @staticmethod
    def _shape(plan: Plan) -> Hashable:
        """The group key of a study with any seed: that moves data, not time."""
        return group_key(replace(plan, spec=plan.spec.model_copy(update={"seed": 0})))


def _measure(plan: Plan, device: torch.device) -> GroupSize:
    costs: dict[int, StepCost] = {}
    fitting = MOST
    left, last = SECONDS, 0.0
    for size in SIZES:
        if size > fitting or SIZES[1] * last > left:
            break
        began = time.perf_counter()
        try:
            costs[size] = measure_step_cost(plan, size, device, left / 4)
            if size == 1:
                room = int(SHARE_OF_MEMORY * free_bytes(device))
                fitting = room // max(1, costs[1].trial_bytes)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            fitting = size // 2
            break
        best = min(cost.seconds for cost in costs.values())
        if costs[size].seconds > WORSE * best:
            break
        # The first one may have read the data set, which the others find ready; what libraries
        # prepare in a first step serves the training that comes.
        took = time.perf_counter() - began - costs[size].first
        last = costs[1].whole if size == 1 else took
        left -= last
    return _choose(costs, fitting)


def _choose(costs: Mapping[int, StepCost], fitting: int) -> GroupSize:
    """The size to train with, from the cost of each size that was tried.

    Args:
        costs: by size; empty where memory had no room for a single trial's measurement.
        fitting: the most trials for which memory is estimated to have room.
    """
    if not costs:
        return GroupSize(1, "one by one: memory has no room for more")
    alone = costs[1].seconds
    best = min(cost.seconds for cost in costs.values())
    size = min(size for size, cost in costs.items() if cost.seconds <= NEAR * best)
    if alone < GAIN * best:
        size = 1
    epoch = costs[size].seconds * costs[size].steps
    if size > 1:
        why = f"{size} at once: {_ms(costs[size].seconds)} a step and trial, {_ms(alone)} alone"
    elif len(costs) == 1:
        too_large = fitting < SIZES[1]
        limit = "memory has no room for more" if too_large else "a step takes too long to try"
        why = f"one by one: {limit} ({_ms(alone)} a step)"
    else:
        rival = min((cost.seconds, size) for size, cost in costs.items() if size > 1)
        why = f"one by one: {_ms(alone)} a step, {_ms(rival[0])} with {rival[1]} at once"
    if 1 < size == max(costs) and fitting < SIZES[1] * size <= MOST:
        why += "; memory has no room for more"
    return GroupSize(size, why, epoch)


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.3g} ms"
