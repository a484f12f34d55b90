"""When a pruner looks: not before the warm-up's end, then once in every interval."""

from __future__ import annotations

from hpsearch.search.pruners.curve_table import TrialCurve


def is_due(warmup_epochs: int, interval_epochs: int, curve: TrialCurve) -> bool:
    """Whether a trial's last epoch with the objective is the first one in its interval.

    Intervals are counted from the warm-up's end; an epoch without a report moves its look on.
    """
    epoch = curve.epoch
    if epoch < warmup_epochs:
        return False
    past = (epoch - warmup_epochs) % interval_epochs
    before = curve.epochs[-2] if len(curve.epochs) > 1 else -1
    return before < epoch - past
