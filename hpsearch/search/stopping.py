"""When a study as a whole has had enough."""

from __future__ import annotations

from hpsearch.spec.progress import Progress
from hpsearch.spec.states import StudyState
from hpsearch.spec.study import Limits


def limit_reached(
    limits: Limits, progress: Progress, trials_planned: int
) -> tuple[StudyState, str] | None:
    """The state that a reached limit puts a study into, and why; none while none is reached."""
    if limits.failed_trials is not None and progress.failed >= limits.failed_trials:
        return (
            StudyState.FAILED,
            f"{progress.failed} trials failed, which limits.failed_trials does not allow",
        )
    budgets: tuple[tuple[str, float, float | None], ...] = (
        ("trials ended", progress.ended, limits.trials),
        ("epochs trained", progress.epochs_done, limits.epochs),
        ("seconds passed", round(progress.seconds), limits.seconds),
        ("trials ended since the best one", progress.ended_since_best, limits.stall_trials),
    )
    for what, used, budget in budgets:
        if budget is not None and used >= budget and progress.ended < trials_planned:
            return StudyState.COMPLETE, f"{used} {what}, the limit of {budget:g} is reached"
    return None
