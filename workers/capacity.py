"""How many trials a worker holds at once: what trains together, and no more than it soon gets to.

A study is asked for few trials at first. Once their shapes are measured more are leased, or those
given back that would only wait here while another worker has nothing to do.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from hpsearch.training.group.group_size import MOST, GroupSize, GroupSizes
from hpsearch.training.tasks.plan import Plan, group_key, run_ids

logger = logging.getLogger("hpsearch.worker")

FIRST = 4
"""Trials asked for as long as nothing is known."""
HELD_SECONDS = 10.0
"""Trials that do not train together may wait for so much work before them."""


class LeaseSizer:
    """Of one worker.

    Args:
        groupings: what was measured so far.
        capacity: trials to hold in any case; none follows the measurements.
    """

    def __init__(self, groupings: GroupSizes, capacity: int | None) -> None:
        self._groupings = groupings
        self._capacity = capacity
        self._told: set[str] = set()
        self.asks = capacity or FIRST
        """Trials to ask the server for."""

    def learn(self, plans: Iterable[Plan]) -> int:
        """How many trials to hold of work like this, which is what is asked for next time."""
        if self._capacity is None:
            shapes = {group_key(plan): plan for plan in plans}
            if shapes:
                self.asks = min(MOST, sum(self._held(plan) for plan in shapes.values()))
        return self.asks

    def together(self, plan: Plan) -> tuple[int, GroupSize]:
        """How many trials like this train at once, each with all its runs, and why."""
        grouping = self._groupings.choose(plan)
        if grouping.why not in self._told:
            self._told.add(grouping.why)
            logger.info("trials like %d of %s: %s", plan.number, plan.spec.name, grouping.why)
        repeats = plan.spec.training.repeats
        return max(1, grouping.size // repeats), grouping

    def _held(self, plan: Plan) -> int:
        size, grouping = self.together(plan)
        if grouping.epoch_seconds is None:
            return size
        seconds = grouping.epoch_seconds * plan.epochs * len(run_ids(plan))
        return max(size, min(MOST, int(HELD_SECONDS / max(seconds, HELD_SECONDS / MOST))))
