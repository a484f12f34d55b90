"""Epochs worth a snapshot: those at whose end a schedule is at a minimum, before it rises again.

Huang et al. 2017, Snapshot ensembles: train 1, get M for free.
"""

from __future__ import annotations

import numpy as np

from hpsearch.training.group.trial_progress import TrialProgress
from hpsearch.training.schedules import Horizon, lr_factors, reads_history
from hpsearch.training.tasks.plan import Plan

LEVEL = 1e-12
"""Factors that differ by less are equal: rounding makes no minimum."""


def snapshot_epochs(plan: Plan, steps_per_epoch: int) -> frozenset[int]:
    """Epochs (0-based) at whose end the learning rate has fallen and is about to rise.

    The rate is looked at where epochs begin and end. A stretch on one level counts once, at its
    last epoch. The last planned epoch is always among them; it alone where the schedule follows a
    metric, whose curve is not known before.

    Args:
        plan: the trial's.
        steps_per_epoch: its optimizer steps in an epoch.

    Raises:
        InvalidInput: when a lambda's expression is not finite at one of the steps.
    """
    last = {plan.epochs - 1}
    schedule = plan.spec.schedule
    if reads_history(schedule):
        return frozenset(last)
    begins = np.arange(plan.epochs) * steps_per_epoch
    steps = np.stack([begins, begins + steps_per_epoch - 1], axis=1).ravel()
    horizon = Horizon(steps_per_epoch, plan.epochs, TrialProgress(plan).schedule_seed)
    changes = np.diff(lr_factors(schedule, steps, horizon))
    moving = np.flatnonzero(np.abs(changes) > LEVEL)
    falls = changes[moving] < 0
    lowest = moving[1:][falls[:-1] & ~falls[1:]]  # of 0, 1 (epoch 0), 2, 3 (epoch 1), ...
    return frozenset(last | {(index + 1) // 2 - 1 for index in lowest.tolist()})
