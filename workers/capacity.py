"""How many trials a worker leases: what trains together, and no more than it soon gets to.

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
"""Trials leased as long as nothing is known."""
QUEUED_SECONDS = 10.0
"""Trials that do not train together may wait for so much work before them."""


class LeaseSizer:
    """Says how many trials one worker leases at once.

    Args:
        group_sizes: what was measured so far.
        capacity: trials to lease in any case; none follows the measurements.
    """

    def __init__(self, group_sizes: GroupSizes, capacity: int | None) -> None:
        self._group_sizes = group_sizes
        self._capacity = capacity
        self._logged: set[str] = set()
        self.size = capacity or FIRST
        """Trials to ask the server for."""

    def update(self, plans: Iterable[Plan]) -> int:
        """How many trials to hold of work like this, which is what is asked for next time.

        Raises:
            TrainingFailed: when model and data do not fit.
        """
        if self._capacity is None:
            shapes = {group_key(plan): plan for plan in plans}
            if shapes:
                self.size = min(MOST, sum(self._trials_like(plan) for plan in shapes.values()))
        return self.size

    def group_size(self, plan: Plan) -> tuple[int, GroupSize]:
        """How many trials like this train at once, each with all its runs, and why.

        Raises:
            TrainingFailed: when model and data do not fit.
        """
        grouping = self._group_sizes.choose(plan)
        if grouping.why not in self._logged:
            self._logged.add(grouping.why)
            logger.info("trials like %d of %s: %s", plan.number, plan.spec.name, grouping.why)
        repeats = plan.spec.training.repeats
        return max(1, grouping.size // repeats), grouping

    def _trials_like(self, plan: Plan) -> int:
        """A group of them, or as many as train in `QUEUED_SECONDS` where that is more."""
        size, grouping = self.group_size(plan)
        if grouping.epoch_seconds is None:
            return size
        seconds = grouping.epoch_seconds * plan.epochs * len(run_ids(plan))
        return max(size, min(MOST, int(QUEUED_SECONDS / max(seconds, QUEUED_SECONDS / MOST))))
