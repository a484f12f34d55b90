"""How far a study is, as limits are held against it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """Trials ended, failed (not those stopped on request) and ended since the best one; epochs
    trained by all of them; seconds since the first started.
    """  # noqa: D205

    ended: int
    failed: int
    ended_since_best: int
    epochs_done: int
    seconds: float
