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

from hpsearch.ensembling.measure import Floats
from hpsearch.ensembling.predictions import Numbers
from hpsearch.ensembling.scores import SMALLEST_PROBABILITY

CHUNK = 2**16
"""Numbers that a core works on at a time: half a megabyte of float64."""
SLICES_PER_CORE = 4
"""Several, so that no core waits long for another."""
SMALLEST_SLICE = 2**20
"""Numbers; handing fewer to another core takes longer than to work through them."""
ROUNDING = 1e-12
"""Losses that differ by a smaller share are equal: the same numbers were added in another order."""

Indices = NDArray[np.int64]


def first_smallest(losses: Floats) -> int:
    """The index of the smallest; of those that are equal up to rounding the first."""
    return int(equal_to_smallest(losses).argmax())


def equal_to_smallest(losses: Floats) -> NDArray[np.bool_]:
    """Which are the smallest, up to rounding."""
    smallest = losses.min()
    if not np.isfinite(smallest):
        return np.asarray(losses == smallest)
    return np.asarray(losses <= smallest + ROUNDING * abs(smallest))


def map_slices(work: Callable[[slice], Any], count: int, item_size: int) -> list[Any]:
    """Calls `work` with slices of `range(count)`, on every core.

    Args:
        work: takes a slice.
        count: how many items the slices cover together.
        item_size: numbers in an item, which decides how long a slice must be to be worth a core.

    Returns:
        What `work` returned for each slice, in order.
    """
    cores = os.cpu_count() or 1
    step = max(-(-count // (cores * SLICES_PER_CORE)), -(-SMALLEST_SLICE // max(item_size, 1)))
    slices = [slice(start, min(start + step, count)) for start in range(0, count, step)]
    if len(slices) == 1:
        return [work(slices[0])]
    with ThreadPoolExecutor(cores) as pool:
        return list(pool.map(work, slices))


class Additions(ABC):
    """The loss of an ensemble with one candidate more, for each candidate."""

    count: int
    """M."""

    def best(self, chosen: Sequence[int], among: Indices) -> tuple[int, float]:
        """The index of the candidate that helps most, and the loss once it is added.

        Args:
            chosen: indices of the members so far, in the order in which they were chosen.
            among: indices of the candidates that may be added, ascending.
        """
        losses = self.losses(chosen, among)
        index = first_smallest(losses)
        return int(among[index]), float(losses[index])

    def losses(self, chosen: Sequence[int], among: Indices) -> Floats:
        """The ensemble's loss with each of `among` added, in their order; less is better."""
        return self._with_each(chosen, among) if chosen else self._alone[among]

    def loss(self, chosen: Sequence[int]) -> float:
        """The loss of the ensemble of the chosen candidates, of which there is at least one."""
        return float(self._with_each(chosen[:-1], np.array(chosen[-1:]))[0])

    def best_alone(self, among: Indices) -> Indices:
        """The candidates from the one that is best alone to the worst; of equals the first."""
        return among[np.argsort(self._alone[among], kind="stable")]

    @cached_property
    def _alone(self) -> Floats:
        """Each candidate's own loss, [M]; it is where every bag begins."""
        return self._with_each((), np.arange(self.count))

    @abstractmethod
    def _with_each(self, chosen: Sequence[int], among: Indices) -> Floats: ...


class MeanLoss(Additions):
    """The mean over rows of a term of the ensemble's output."""

    def __init__(self, values: Numbers, term: Callable[[Floats], None]) -> None:
        """Prepares the loss of every candidate.

        Args:
            values: [M, N], what each candidate contributes to the mean of a row.
            term: turns mean values [any, N] into the rows' terms of the loss, in place.
        """
        self.count = len(values)
        self.values = values
        self.term = term

    def _with_each(self, chosen: Sequence[int], among: Indices) -> Floats:
        total = summed(self.values, chosen)
        step = max(1, CHUNK // len(total))

        def losses(part: slice) -> list[Floats]:
            value_buffer = np.empty((step, len(total)), self.values.dtype)
            term_buffer = np.empty((step, len(total)))
            chunks = []
            for start in range(part.start, part.stop, step):
                indices = among[start : min(start + step, part.stop)]
                values, terms = value_buffer[: len(indices)], term_buffer[: len(indices)]
                self.values.take(indices, axis=0, out=values, mode="clip")
                np.add(total, values, out=terms)
                terms /= len(chosen) + 1
                self.term(terms)
                chunks.append(terms.mean(axis=1))
            return chunks

        return np.concatenate(
            [chunk for chunks in map_slices(losses, len(among), len(total)) for chunk in chunks]
        )


class TieBroken(Additions):
    """A loss that many candidates share, as it moves in steps; a finer one decides among them."""

    def __init__(self, count: int, tie_breaker: Additions) -> None:
        """Prepares nothing.

        Args:
            count: M.
            tie_breaker: decides between candidates of equal loss.
        """
        self.count = count
        self.tie_breaker = tie_breaker

    def best_alone(self, among: Indices) -> Indices:
        """As for other losses, but of equals those that are better by the tie breaker first."""
        finer = self.tie_breaker.best_alone(among)
        return finer[np.argsort(self._alone[finer], kind="stable")]

    def best(self, chosen: Sequence[int], among: Indices) -> tuple[int, float]:
        """The index of the candidate that helps most, and the loss with it."""
        losses = self.losses(chosen, among)
        equal = among[equal_to_smallest(losses)]
        return self.tie_breaker.best(chosen, equal)[0], float(losses.min())


class MeanAccuracy(TieBroken):
    """The share of rows whose class the ensemble finds likeliest; as a loss, so negated.

    Of equally likely classes the first counts; of equally good candidates the one with the smaller
    log loss is added.
    """

    def __init__(self, candidates: Numbers, targets: NDArray[Any], tie_breaker: Additions) -> None:
        """Prepares the accuracy of every candidate.

        Args:
            candidates: probabilities [M, N, C].
            targets: indices of the true classes [N].
            tie_breaker: decides between candidates of equal accuracy.
        """
        super().__init__(len(candidates), tie_breaker)
        self.candidates = candidates
        self.targets = targets

    def _with_each(self, chosen: Sequence[int], among: Indices) -> Floats:
        """Looks only at rows that one more candidate can turn.

        A probability lies in [0, 1], so a candidate moves the sum for the true class against the
        sum for its strongest rival by 1 at most.
        """
        total = summed(self.candidates, chosen)
        lead = _leads(total, self.targets)
        rows = np.flatnonzero(np.abs(lead) <= 1 + ROUNDING)
        decided = int((lead > 1 + ROUNDING).sum())
        by_class, targets = np.ascontiguousarray(total[rows].T), self.targets[rows]
        truth = targets * len(rows) + np.arange(len(rows))

        def hits(part: slice) -> list[int]:
            own = np.empty((len(rows), len(by_class)), self.candidates.dtype)
            sums, largest = np.empty(by_class.shape), np.empty(len(rows))
            counts = []
            for index in among[part]:
                self.candidates[index].take(rows, axis=0, out=own, mode="clip")
                np.add(by_class, own.T, out=sums)
                sums.max(axis=0, out=largest)
                if np.count_nonzero(sums == largest) == len(rows):
                    right = sums.take(truth) == largest
                else:  # there are ties, for which `argmax` is right, if far slower
                    right = sums.argmax(axis=0) == targets
                counts.append(int(np.count_nonzero(right)))
            return counts

        counts = np.concatenate(map_slices(hits, len(among), by_class.size))
        losses: Floats = -(decided + counts) / len(lead)
        return losses


def summed(values: Numbers, chosen: Sequence[int]) -> Floats:
    """The sum of the chosen candidates' values [M, ...] → [...], float64, in their order."""
    total = np.zeros(values.shape[1:])
    for index in chosen:
        total += values[index]
    return total


def _leads(total: Floats, targets: NDArray[Any]) -> Floats:
    """By how much the true class is ahead of the strongest other one, [N]."""
    rows = np.arange(len(targets))
    rivals = total.copy()
    rivals[rows, targets] = -np.inf
    leads: Floats = total[rows, targets] - rivals.max(axis=1)
    return leads


def log_loss(probabilities: Floats) -> None:
    """−log of the true class's probability, in place."""
    np.maximum(probabilities, SMALLEST_PROBABILITY, out=probabilities)
    np.log(probabilities, out=probabilities)
    np.negative(probabilities, out=probabilities)


def squared_error(errors: Floats) -> None:
    """The square, in place."""
    np.square(errors, out=errors)


def absolute_error(errors: Floats) -> None:
    """The distance from 0, in place."""
    np.abs(errors, out=errors)
