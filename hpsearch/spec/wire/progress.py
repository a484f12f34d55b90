"""How far a study is, as its limits count it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StudyProgress:
    """What a study's trials have used up so far."""

    ended: int
    """Trials that are over."""
    failed: int
    """Failed trials, without those that were stopped on request."""
    ended_since_best: int | None
    """Trials that ended after the best one did; none while there is no best one."""
    epochs_done: int
    """Epochs trained by all trials together."""
    seconds: float
    """Time since the first trial started."""
    running: int = 0
    """Trials that are handed out and not over."""
    epochs_left: int = 0
    """Epochs that these have yet to train of those planned."""
