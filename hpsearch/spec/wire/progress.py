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
    ended_since_best: int
    """Trials that ended after the best one did."""
    epochs_done: int
    """Epochs trained by all trials together."""
    seconds: float
    """Time since the first trial started."""
