"""A sampler is a function of data: it is given what was tried and returns what to try.

SearchProblem   what is searched: the space, the seed, the settings
Proposal        a configuration for one trial
Observation     a trial as samplers see it: every objective minimised
History         all trials so far
Sampler         proposes; it holds no session and no clock
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

from hpsearch.spec.language.distributions import Value
from hpsearch.spec.searches.base import SearchBase
from hpsearch.spec.space.space import SearchSpace
from hpsearch.spec.wire.observation import Observation

__all__ = ["NO_HISTORY", "History", "Observation", "Proposal", "Sampler", "SearchProblem"]

S = TypeVar("S", bound=SearchBase)


@dataclass(frozen=True)
class SearchProblem(Generic[S]):
    """What a sampler searches."""

    space: SearchSpace
    seed: int
    """The study's."""
    search: S
    """The settings; their kind is the sampler's."""
    objectives: int = 1
    """How many there are."""
    stage: int = 0
    first: int = 0
    """Number of the stage's first trial."""
    initial: tuple[Mapping[str, Value], ...] = ()
    """Configurations of the stage's first trials, which the sampler does not propose: those that
    people enqueued, or that were promoted from the stage before."""

    @property
    def first_sampled(self) -> int:
        """Number of the first trial that the sampler proposes."""
        return self.first + len(self.initial)


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


NO_HISTORY = History()


class Sampler(ABC, Generic[S]):
    """Proposes configurations for a problem.

    A sampler holds no session, no clock and no state but what it computed from the histories that
    it was given: a new one with the same problem proposes the same after the same history.
    """

    reads_history: ClassVar[bool]
    """False promises that suggestions depend on (problem, number) alone."""

    def __init__(self, problem: SearchProblem[S]) -> None:
        self.problem = problem
        self.settings = problem.search

    @property
    def space(self) -> SearchSpace:
        """The space of the problem."""
        return self.problem.space

    @abstractmethod
    def suggest(self, numbers: Sequence[int], history: History = NO_HISTORY) -> list[Proposal]:
        """Proposes a configuration for each of some new trials.

        >>> from hpsearch.search import samplers, staging
        >>> from hpsearch.spec.study import parse_study
        >>> document = {"name": "rates", "task": {"dataset": "wine"}, "search": "grid"}
        >>> spec = parse_study({**document, "optimizer": {"lr": {"choice": [0.1, 0.2]}}})
        >>> sampler = samplers.sampler_for(staging.first_stage(spec).problem(spec))
        >>> [dict(proposal.params) for proposal in sampler.suggest([0, 1])]
        [{'optimizer.lr': 0.1}, {'optimizer.lr': 0.2}]

        Args:
            numbers: of the trials, rising. A number comes again only where its proposal was not
                stored; with the same history it gets the same proposal.
            history: the trials so far; samplers that do not read it need none.
                `ended` is in the order in which trials ended, not in that of their numbers. It is
                what the call before was given and the trials that ended since; a shorter one
                resets the sampler. Trials of an earlier study (warm start) come first, with
                numbers below 0. Losses may be NaN or infinite, or missing, where a trial diverged,
                failed or was pruned. Parameters may lie outside of the space, as after an edit of
                the study; nothing is learned from such trials.
                `running` holds every trial that was proposed and has not ended; it may differ in
                any way from the call before, and its losses are not read.

        Returns:
            A proposal for each number, in their order; each lies in the space.
        """

    def max_suggestions(self, history: History, count: int) -> int:  # noqa: ARG002
        """How many of `count` trials may be proposed before more have ended, at least one.

        Args:
            history: as for `suggest`.
            count: how many are asked for, at least one.
        """
        return count
