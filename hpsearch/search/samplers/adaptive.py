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

from hpsearch.search.samplers.base import NOTHING, History, Observation, Problem, Proposal, Sampler
from hpsearch.search.samplers.distinct import unused_place
from hpsearch.spec.language.distributions import Value
from hpsearch.spec.space.grid import whole_grid

ATTEMPTS = 4
"""So often is a repeated configuration suggested anew, before an unused one is drawn."""

MOST_AT_ONCE = 16
"""Trials that may run at once, however much is known: past it, more of them teach less each, and
a request that asks for all takes time in which nobody else is answered.
"""

Params = dict[str, Value]


def told_share(told: int, startup: int) -> int:
    """How many trials may run at once after `told` have taught something.

    All of the random start, then an eighth of what is known: a worker that asks for many gets
    few while little is known, as they would be no better than random.
    """
    return startup - told if told < startup else max(1, min(told // 8, MOST_AT_ONCE))


class AdaptiveSampler(Sampler):
    """Learns from ended trials, keeps apart from running ones."""

    reads_history = True

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self._grid = whole_grid(problem.space)
        self._used: set[int] = set()
        self._learned = 0
        """How many of the ended trials were taken in."""

    @abstractmethod
    def forget(self) -> None:
        """Goes back to knowing nothing."""

    @abstractmethod
    def learn(self, trial: Observation) -> None:
        """Takes in a trial that has ended."""

    @abstractmethod
    def expect(self, running: Sequence[Params]) -> None:
        """Takes in the configurations that run now, in place of those before."""

    @abstractmethod
    def draw(self, seed: int) -> Params:
        """A configuration; equal seeds give equal ones."""

    @abstractmethod
    def room(self) -> int:
        """How many trials may run at once, as things are."""

    def suggest(self, numbers: Sequence[int], history: History = NOTHING) -> list[Proposal]:
        """A proposal for each trial number."""
        self._follow(history)
        running = [dict(trial.params) for trial in history.running if self._fits(trial)]
        proposals = []
        for number in numbers:
            self.expect(running)
            running.append(self._new(number, running))
            proposals.append(Proposal(dict(running[-1])))
        return proposals

    def at_once(self, history: History, count: int) -> int:
        """As many as there is room for besides those that run."""
        self._follow(history)
        return max(1, min(count, self.room() - len(history.running)))

    def _fits(self, trial: Observation) -> bool:
        return self.space.fits(trial.params)

    def _follow(self, history: History) -> None:
        if len(history.ended) < self._learned:
            self._learned = 0
            self._used.clear()
            self.forget()
        for trial in history.ended[self._learned :]:
            if self._fits(trial):
                self.learn(trial)
                if self._grid is not None:
                    self._used.add(self._grid.place(trial.params))
        self._learned = len(history.ended)

    def _new(self, number: int, running: Sequence[Params]) -> Params:
        """A configuration that was not there before, as long as there is one."""
        if self._grid is None:
            return self.draw(self._seed(number, 0))
        used = self._used.union(map(self._grid.place, running))
        for attempt in range(ATTEMPTS):
            params = self.draw(self._seed(number, attempt))
            if self._grid.place(params) not in used or len(used) >= self._grid.size:
                return params
        rng = np.random.default_rng(self._seed(number, ATTEMPTS))
        return self._grid.at(unused_place(self._grid, used, rng))

    def _seed(self, number: int, attempt: int) -> int:
        entropy = np.random.SeedSequence([self.problem.seed, number, attempt])
        return int(entropy.generate_state(1)[0])
