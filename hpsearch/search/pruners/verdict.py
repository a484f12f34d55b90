"""What a pruner says of a trial after one of its reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

Rung: TypeAlias = tuple[int, int]
"""A bracket, and the epoch at which its trials are compared."""


@dataclass(frozen=True)
class Verdict:
    """Whether a trial stops."""

    stop: bool
    why: str | None = None
    """In a sentence, where it stops."""
    diverged: bool = False
    """Whether it stops for that: then it counts as the worst for those that ran beside it."""
    rungs: Mapping[Rung, float] = field(default_factory=dict)
    """The values with which it entered rungs at this report."""


GO_ON = Verdict(stop=False)
