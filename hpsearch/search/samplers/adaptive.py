"""What all searches have in common that learn from every trial.

Same history, same suggestion: what is learned depends on the trials and the order in which they
ended alone, and the random numbers of trial n come from (study seed, n). So a new process goes on
where the old one stood.

A sampler learns each ended trial once. Trials that do not lie in the space teach nothing.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np

from hpsearch.search.samplers.base import (
    NO_HISTORY,
    History,
    Observation,
    Proposal,
    S,
    Sampler,
    SearchProblem,
)
from hpsearch.search.samplers.distinct import unused_index
from hpsearch.spec.language.distributions import Value
from hpsearch.spec.space.grid import whole_grid

ATTEMPTS = 4
"""So often is a repeated configuration suggested anew, before an unused one is drawn."""

MAX_CONCURRENT = 16
"""Trials that may run at once, however much is known: past it, more of them teach less each, and
a request that asks for all takes time in which nobody else is answered.
"""

Params = dict[str, Value]


def concurrency(observed: int, startup: int) -> int:
    """How many trials may run at once after `observed` trials have taught something.

    All of the random start, then an eighth of what is known: a worker that asks for many gets
    few while little is known, as they would be no better than random.

    Args:
        observed: trials that ended with something to learn.
        startup: random trials before the first that are learned.
    """
    if observed < startup:
        return startup - observed
    return max(1, min(observed // 8, MAX_CONCURRENT))


class AdaptiveSampler(Sampler[S]):
    """Learns from ended trials, keeps apart from running ones."""

    reads_history = True

    def __init__(self, problem: SearchProblem[S]) -> None:
        super().__init__(problem)
        self._grid = whole_grid(problem.space)
        self._used: set[int] = set()
        """Indices in the grid of configurations that ended trials had."""
        self._learned = 0
        """How many of the ended trials were learned."""

    @abstractmethod
    def reset(self) -> None:
        """Goes back to knowing nothing."""

    @abstractmethod
    def learn(self, trial: Observation) -> None:
        """Learns from a trial that has ended."""

    @abstractmethod
    def set_running(self, running: Sequence[Params]) -> None:
        """Puts the configurations that run now in place of those before."""

    @abstractmethod
    def draw(self, seed: int) -> Params:
        """A configuration; equal seeds give equal ones."""

    @abstractmethod
    def max_running(self) -> int:
        """How many trials may run at once, by what is known now."""

    def suggest(self, numbers: Sequence[int], history: History = NO_HISTORY) -> list[Proposal]:
        """Learns the trials that ended meanwhile, then draws one configuration after another.

        Each counts as running for those after it.
        """
        self._learn_new(history)
        running = [dict(trial.params) for trial in history.running if self._fits(trial)]
        proposals = []
        for number in numbers:
            self.set_running(running)
            running.append(self._new(number, running))
            proposals.append(Proposal(dict(running[-1])))
        return proposals

    def max_suggestions(self, history: History, count: int) -> int:
        """As many as `max_running` leaves beside those that run, at least one."""
        self._learn_new(history)
        return max(1, min(count, self.max_running() - len(history.running)))

    def _fits(self, trial: Observation) -> bool:
        return self.space.fits(trial.params)

    def _learn_new(self, history: History) -> None:
        if len(history.ended) < self._learned:
            self._learned = 0
            self._used.clear()
            self.reset()
        for trial in history.ended[self._learned :]:
            if self._fits(trial):
                self.learn(trial)
                if self._grid is not None:
                    self._used.add(self._grid.index_of(trial.params))
        self._learned = len(history.ended)

    def _new(self, number: int, running: Sequence[Params]) -> Params:
        """A configuration that was not there before, as long as there is one."""
        if self._grid is None:
            return self.draw(self._seed(number, 0))
        used = self._used.union(map(self._grid.index_of, running))
        for attempt in range(ATTEMPTS):
            params = self.draw(self._seed(number, attempt))
            if self._grid.index_of(params) not in used or len(used) >= self._grid.size:
                return params
        rng = np.random.default_rng(self._seed(number, ATTEMPTS))
        return self._grid.at(unused_index(self._grid, used, rng))

    def _seed(self, number: int, attempt: int) -> int:
        entropy = np.random.SeedSequence([self.problem.seed, number, attempt])
        return int(entropy.generate_state(1)[0])
