"""When a study as a whole has had enough, and how many trials its limits still allow."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from hpsearch.spec.language.messages import pluralize
from hpsearch.spec.language.states import EndReason, StudyState
from hpsearch.spec.study import Limits
from hpsearch.spec.wire.progress import StudyProgress


class ReachedLimit(NamedTuple):
    """A limit that a study has reached."""

    state: StudyState
    """The state that it puts the study into."""
    message: str
    """Why, in a sentence."""
    limit: str
    """The field of `limits`."""

    @property
    def reason(self) -> EndReason:
        """What a study that ends by it says of its end."""
        if self.state is StudyState.FAILED:
            return EndReason.FAILED_TRIALS
        return EndReason.LIMIT


def limit_reached(
    limits: Limits, progress: StudyProgress, trials_planned: int
) -> ReachedLimit | None:
    """The limit that a study has reached, if any; one that has trained all its trials has none."""
    if limits.failed_trials is not None and progress.failed >= limits.failed_trials:
        return ReachedLimit(
            StudyState.FAILED,
            f"{pluralize(progress.failed, 'trial')} failed, which limits.failed_trials does not "
            "allow",
            "failed_trials",
        )
    trained = progress.running if progress.epochs_left == 0 else 0
    if progress.ended + trained >= trials_planned:
        return None
    stalled = progress.ended_since_best or 0
    return _first_spent(
        (
            ("trials", "trials ended", progress.ended, limits.trials),
            *_of_training(limits, progress),
            ("stall_trials", "trials ended since the best one", stalled, limits.stall_trials),
        )
    )


def budget_spent(limits: Limits, progress: StudyProgress) -> ReachedLimit | None:
    """The limit that keeps a study whose search is over from training any more, if any."""
    failed = ("failed_trials", "trials failed", progress.failed, limits.failed_trials)
    return _first_spent((*_of_training(limits, progress), failed))


_Budget = tuple[str, str, float, float | None]
"""A limit's name, what it counts, how much of it was used, and the limit, if there is one."""


def _of_training(limits: Limits, progress: StudyProgress) -> tuple[_Budget, ...]:
    return (
        ("epochs", "epochs trained", progress.epochs_done, limits.epochs),
        ("seconds", "seconds passed", progress.seconds, limits.seconds),
    )


def _first_spent(budgets: Iterable[_Budget]) -> ReachedLimit | None:
    for limit, what, used, budget in budgets:
        if budget is not None and used >= budget:
            message = f"{round(used, 1):g} {what}, the limit of {budget:g} is reached"
            return ReachedLimit(StudyState.COMPLETE, message, limit)
    return None


class Allowance:
    """Trials that may still be handed out, so that no limit is passed whatever they come to.

    A running trial counts with all the epochs that it has yet to train. While a trial is the best,
    `stall_trials` of them may run beside each other: any of them may stay behind it; before there
    is a best one, one more may, which becomes it.

    Args:
        limits: the study's.
        progress: how far it is.
    """

    def __init__(self, limits: Limits, progress: StudyProgress) -> None:
        self._trials = math.inf
        if limits.trials is not None:
            self._trials = limits.trials - progress.ended - progress.running
        if limits.stall_trials is not None:
            behind = -1 if progress.ended_since_best is None else progress.ended_since_best
            self._trials = min(self._trials, limits.stall_trials - behind - progress.running)
        if limits.seconds is not None and progress.seconds >= limits.seconds:
            self._trials = 0
        self._epochs = math.inf
        if limits.epochs is not None:
            self._epochs = limits.epochs - progress.epochs_done - progress.epochs_left

    def count(self, most: int, epochs: int) -> int:
        """How many trials of up to `epochs` epochs may be handed out, `most` at most.

        The last one of them may be longer than what is left: it is cut short.
        """
        by_epochs = math.inf if epochs <= 0 else self._epochs / epochs
        return max(0, math.ceil(min(most, self._trials, by_epochs)))

    def take(self, epochs: int) -> bool:
        """Counts a trial as handed out that has so many epochs to train, if it is allowed."""
        if self.count(1, epochs) == 0:
            return False
        self._trials -= 1
        self._epochs -= epochs
        return True
