"""When a pruner looks: not before the warm-up's end, then once in every interval."""

from __future__ import annotations

from collections.abc import Sequence

from hpsearch.spec.pruners.ranking import IntervalPruner


def is_due(settings: IntervalPruner, epochs: Sequence[int]) -> bool:
    """Whether the last of a trial's epochs is the first that it reported in its interval.

    Intervals are counted from the warm-up's end; an epoch without a report moves its look on.
    """
    epoch = epochs[-1]
    if epoch < settings.warmup_epochs:
        return False
    past = (epoch - settings.warmup_epochs) % settings.interval_epochs
    before = epochs[-2] if len(epochs) > 1 else -1
    return before < epoch - past
