"""A sampler is a function of data: it is given what was tried and returns what to try.

Problem       what is searched: the space, the seed, the settings
Proposal      a configuration for one trial
Observation   a trial as samplers see it: every objective minimised
History       all trials so far
Sampler       proposes; it holds no session and no clock
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from hpsearch.spec.language.distributions import Value
from hpsearch.spec.search import Search
from hpsearch.spec.space.space import SearchSpace
from hpsearch.spec.wire.observation import Observation

__all__ = ["NOTHING", "History", "Observation", "Problem", "Proposal", "Sampler"]


@dataclass(frozen=True)
class Problem:
    """What a sampler searches."""

    space: SearchSpace
    seed: int
    search: Search
    """The settings; their kind is the sampler's."""
    objectives: int = 1
    """How many there are."""
    stage: int = 0
    first: int = 0
    """Number of the stage's first trial."""
    given: tuple[Mapping[str, Value], ...] = ()
    """What the stage's first trials run with, whatever the sampler proposes."""

    @property
    def proposed_from(self) -> int:
        """Number of the first trial that the sampler proposes."""
        return self.first + len(self.given)


@dataclass(frozen=True)
class Proposal:
    """What a trial is to run with."""

    params: Mapping[str, Value]
    continues: int | None = None
    """Number of the trial whose training it goes on with; none starts anew."""


@dataclass(frozen=True)
class History:
    """What was tried. `ended` only ever grows at its end while a sampler lives."""

    ended: Sequence[Observation] = ()
    """In the order in which they ended."""
    running: Sequence[Observation] = ()
    """Proposed and not over, by number."""


NOTHING = History()


class Sampler(ABC):
    """Proposes configurations for a problem."""

    reads_history: ClassVar[bool]
    """False promises that suggestions depend on (problem, number) alone."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem

    @property
    def space(self) -> SearchSpace:
        """The space of the problem."""
        return self.problem.space

    @abstractmethod
    def suggest(self, numbers: Sequence[int], history: History = NOTHING) -> list[Proposal]:
        """A proposal for each trial number; numbers rise and none is asked for twice."""

    def at_once(self, history: History, count: int) -> int:  # noqa: ARG002
        """How many of `count` trials may be proposed before more have ended, at least one."""
        return count
