"""What each candidate would make of an ensemble: one round of greedy selection.

M   candidates        N   rows        C   classes, or 1 for numbers

An ensemble's output is the mean of its members', a member chosen n times counting n times; members
are summed in float64 in the order in which they were chosen. Work goes through the candidates in
chunks that fit a core's cache, on every core; no result depends on how many there are.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpsearch.ensembling.predictions import Numbers
from hpsearch.ensembling.scores import SMALLEST_SHARE, Floats

CHUNK = 2**16
"""Numbers that a core works on at a time: half a megabyte of float64."""
PARTS = 4
"""Of the work for each core, so that none waits long for another."""
LEAST_PART = 2**20
"""Numbers; handing out fewer takes longer than to work through them."""
ROUNDING = 1e-12
"""Losses that differ by a smaller share are equal: the same numbers were added in another order."""

Places = NDArray[np.int64]


def first_smallest(losses: Floats) -> int:
    """The place of the smallest; of those that are equal up to rounding the first."""
    smallest = losses.min()
    return int((losses <= smallest + ROUNDING * abs(smallest)).argmax())


def in_parts(work: Callable[[slice], Any], count: int, each: int) -> list[Any]:
    """What `work` returns for slices of `count` things of `each` numbers, in order."""
    cores = os.cpu_count() or 1
    step = max(-(-count // (cores * PARTS)), -(-LEAST_PART // max(each, 1)))
    slices = [slice(start, min(start + step, count)) for start in range(0, count, step)]
    if len(slices) == 1:
        return [work(slices[0])]
    with ThreadPoolExecutor(cores) as pool:
        return list(pool.map(work, slices))


class Additions(ABC):
    """Tells which candidate to add."""

    count: int
    """M."""

    def best(self, chosen: Sequence[int], among: Places) -> tuple[int, float]:
        """The place of the candidate that helps most, and the loss once it is added.

        Args:
            chosen: places of the members so far, in the order in which they were chosen.
            among: places of the candidates that may be added, ascending.
        """
        losses = self.losses(chosen, among)
        place = first_smallest(losses)
        return int(among[place]), float(losses[place])

    def losses(self, chosen: Sequence[int], among: Places) -> Floats:
        """The ensemble's loss with each of `among` added; less is better."""
        return self._after(chosen, among) if chosen else self._alone[among]

    def loss(self, chosen: Sequence[int]) -> float:
        """The loss of the ensemble of the chosen ones, of which there is at least one."""
        return float(self._after(chosen[:-1], np.array(chosen[-1:]))[0])

    @cached_property
    def _alone(self) -> Floats:
        """Each candidate's own loss, [M]; it is where every bag begins."""
        return self._after((), np.arange(self.count))

    @abstractmethod
    def _after(self, chosen: Sequence[int], among: Places) -> Floats: ...


class MeanLoss(Additions):
    """The mean over rows of a term of the ensemble's output."""

    def __init__(self, values: Numbers, term: Callable[[Floats], None]) -> None:
        """Takes what the term is of.

        Args:
            values: [M, N], each candidate's.
            term: turns mean values [some, N] into the rows' terms, in place.
        """
        self.count = len(values)
        self.values = values
        self.term = term

    def _after(self, chosen: Sequence[int], among: Places) -> Floats:
        total = summed(self.values, chosen)
        step = max(1, CHUNK // len(total))

        def losses(part: slice) -> list[Floats]:
            taken = np.empty((step, len(total)), self.values.dtype)
            means = np.empty((step, len(total)))
            found = []
            for start in range(part.start, part.stop, step):
                places = among[start : min(start + step, part.stop)]
                some, terms = taken[: len(places)], means[: len(places)]
                self.values.take(places, axis=0, out=some, mode="clip")
                np.add(total, some, out=terms)
                terms /= len(chosen) + 1
                self.term(terms)
                found.append(terms.mean(axis=1))
            return found

        return np.concatenate(
            [one for part in in_parts(losses, len(among), len(total)) for one in part]
        )


class MeanAccuracy(Additions):
    """The share of rows whose class the ensemble finds likeliest; as a loss, so negated.

    Of likeliest classes that are equal the first is said; of candidates that are equal the one with
    the smaller log loss is added.
    """

    def __init__(self, candidates: Numbers, targets: NDArray[Any], tie_breaker: Additions) -> None:
        """Takes probabilities [M, N, C], the true classes [N], and what decides between equals."""
        self.count = len(candidates)
        self.candidates = candidates
        self.targets = targets
        self.tie_breaker = tie_breaker

    def best(self, chosen: Sequence[int], among: Places) -> tuple[int, float]:
        """The place of the candidate that helps most, and the loss once it is added."""
        losses = self.losses(chosen, among)
        equal = among[losses == losses.min()]
        return self.tie_breaker.best(chosen, equal)[0], float(losses.min())

    def _after(self, chosen: Sequence[int], among: Places) -> Floats:
        """Looks only at rows that one more candidate can turn.

        A probability lies in [0, 1], so a candidate moves the sum for the true class against the
        sum for its strongest rival by 1 at most.
        """
        total = summed(self.candidates, chosen)
        lead = _leads(total, self.targets)
        rows = np.flatnonzero(np.abs(lead) <= 1 + ROUNDING)
        settled = int((lead > 1 + ROUNDING).sum())
        by_class, targets = np.ascontiguousarray(total[rows].T), self.targets[rows]
        truth = targets * len(rows) + np.arange(len(rows))

        def hits(part: slice) -> list[int]:
            taken = np.empty((len(rows), len(by_class)), self.candidates.dtype)
            sums, largest = np.empty(by_class.shape), np.empty(len(rows))
            found = []
            for place in among[part]:
                self.candidates[place].take(rows, axis=0, out=taken, mode="clip")
                np.add(by_class, taken.T, out=sums)
                sums.max(axis=0, out=largest)
                if np.count_nonzero(sums == largest) == len(rows):
                    right = sums.take(truth) == largest
                else:  # there are ties, for which `argmax` is right, if far slower
                    right = sums.argmax(axis=0) == targets
                found.append(int(np.count_nonzero(right)))
            return found

        found = np.concatenate(in_parts(hits, len(among), by_class.size))
        losses: Floats = -(settled + found) / len(lead)
        return losses


def summed(values: Numbers, chosen: Sequence[int]) -> Floats:
    """The sum of the chosen ones [M, ...] → [...], float64, in their order."""
    total = np.zeros(values.shape[1:])
    for place in chosen:
        total += values[place]
    return total


def _leads(total: Floats, targets: NDArray[Any]) -> Floats:
    """By how much the true class is ahead of the strongest other one, [N]."""
    rows = np.arange(len(targets))
    rivals = total.copy()
    rivals[rows, targets] = -np.inf
    leads: Floats = total[rows, targets] - rivals.max(axis=1)
    return leads


def log_loss(shares: Floats) -> None:
    """−log of the true class's share, in place."""
    np.maximum(shares, SMALLEST_SHARE, out=shares)
    np.log(shares, out=shares)
    np.negative(shares, out=shares)


def squared_error(errors: Floats) -> None:
    """The square, in place."""
    np.square(errors, out=errors)


def absolute_error(errors: Floats) -> None:
    """The distance from 0, in place."""
    np.abs(errors, out=errors)
