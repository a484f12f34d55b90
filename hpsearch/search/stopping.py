"""When a study as a whole has had enough."""

from __future__ import annotations

from collections.abc import Iterable

from hpsearch.spec.language.states import StudyState
from hpsearch.spec.study import Limits
from hpsearch.spec.wire.progress import StudyProgress


def limit_reached(
    limits: Limits, progress: StudyProgress, trials_planned: int
) -> tuple[StudyState, str] | None:
    """The state that a reached limit puts a study into, and why; none while none is reached."""
    if limits.failed_trials is not None and progress.failed >= limits.failed_trials:
        return (
            StudyState.FAILED,
            f"{progress.failed} trials failed, which limits.failed_trials does not allow",
        )
    if progress.ended >= trials_planned:
        return None
    of_search = (
        ("trials ended", progress.ended, limits.trials),
        *_of_training(limits, progress),
        ("trials ended since the best one", progress.ended_since_best, limits.stall_trials),
    )
    message = _first_spent(of_search)
    return None if message is None else (StudyState.COMPLETE, message)


def budget_spent(limits: Limits, progress: StudyProgress) -> str | None:
    """Why a study whose search is over must not train any more; none while it may."""
    failed = ("trials failed", progress.failed, limits.failed_trials)
    return _first_spent((*_of_training(limits, progress), failed))


_Budget = tuple[str, float, float | None]
"""What is counted, how much of it was used, and the limit, if there is one."""


def _of_training(limits: Limits, progress: StudyProgress) -> tuple[_Budget, ...]:
    return (
        ("epochs trained", progress.epochs_done, limits.epochs),
        ("seconds passed", round(progress.seconds), limits.seconds),
    )


def _first_spent(budgets: Iterable[_Budget]) -> str | None:
    for what, used, budget in budgets:
        if budget is not None and used >= budget:
            return f"{used} {what}, the limit of {budget:g} is reached"
    return None
