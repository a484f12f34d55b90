"""Samplers of searches that go through stages; `hpsearch.search.staging` asks them.

RangeChange     what became of a parameter's range from one stage to the next
NextSpace       where the next stage draws
StagedSampler   proposes within a stage, and leads to the next one
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from hpsearch.search.samplers.base import Observation, Proposal, S, Sampler
from hpsearch.spec.space.space import SearchSpace


@dataclass(frozen=True)
class RangeChange:
    """What became of a parameter's range, and why."""

    parameter: str
    kind: Literal["narrowed", "extended"]
    before: Mapping[str, Any]
    """The distribution as it was, on the wire."""
    after: Mapping[str, Any]
    reason: str


@dataclass(frozen=True)
class NextSpace:
    """The next stage's space, and how it came about."""

    space: SearchSpace
    changes: tuple[RangeChange, ...] = ()
    note: str | None = None
    """Why nothing could be said, where that is so."""


class StagedSampler(Sampler[S]):
    """A sampler whose `problem` is one stage; it says also where the next stage goes on."""

    @abstractmethod
    def next_space(self, trials: Sequence[Observation], whole: SearchSpace) -> NextSpace:
        """The space of the stage after this one, or of the first one after a warm start.

        Args:
            trials: those of this stage, in any order; some may still run, or have no finite loss.
                Before the first stage, those of the earlier study.
            whole: the study's own space, which knows each field's bounds.
        """

    @abstractmethod
    def promote(self, trials: Sequence[Observation], count: int) -> list[Proposal]:
        """What the first trials of the next stage run with.

        Args:
            trials: as for `next_space`.
            count: how many trials the next stage has; at most so many are promoted.
        """
