"""Whether a trial still improves."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hpsearch.spec.study import Objective


@dataclass(frozen=True)
class BestEpoch:
    """A trial's best epoch so far by its objective; epoch −1 and value None before any."""

    epoch: int = -1
    value: float | None = None

    def after(self, epoch: int, value: float, objective: Objective, min_delta: float) -> BestEpoch:
        """The best epoch after one more: the new one if it is better by more than `min_delta`."""
        if not math.isfinite(value):
            return self
        gain = math.inf
        if self.value is not None:
            gain = objective.sign * (self.value - value)
        return BestEpoch(epoch, value) if gain > min_delta else self

    def should_stop(self, epoch: int, patience: int) -> bool:
        """Whether `patience` epochs in a row have brought nothing better."""
        return epoch - self.epoch >= patience
