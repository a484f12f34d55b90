"""Pairs of scores over seeds, and what they come to: a mean with its confidence interval."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

LEVEL = 0.95


class Score(NamedTuple):
    """On the test rows."""

    accuracy: float
    loss: float


class Pair(NamedTuple):
    """One seed."""

    ours: Score
    theirs: Score


class Gain(NamedTuple):
    """A mean with half the width of its interval; infinite where a single value has none."""

    mean: float
    half: float

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> Gain:
        """Of one value a seed, at least one; values that are all equal leave no doubt, ±0."""
        if len(values) < 2:
            return cls(float(values.mean()), math.inf)
        if values.min() == values.max():  # of which the mean, and so the deviation, may be rounded
            return cls(float(values[0]), 0.0)
        error = float(values.std(ddof=1)) / math.sqrt(len(values))
        factor = float(student.ppf((1 + LEVEL) / 2, len(values) - 1))
        return cls(float(values.mean()), factor * error)

    def __str__(self) -> str:
        return (
            f"{self.mean:+.4f} ±{self.half:.4f}" if self.half < math.inf else f"{self.mean:+.4f} ±?"
        )


@dataclass
class Row:
    """A row of a table: pairs over seeds."""

    pairs: Sequence[Pair]

    @property
    def accuracy(self) -> Gain:
        """In test accuracy."""
        return Gain.of(self._changes(0))

    @property
    def loss(self) -> Gain:
        """In test log loss, where less is a gain."""
        return Gain.of(-self._changes(1))

    @property
    def before(self) -> float:
        """Mean error of what ours is compared with."""
        return 1 - float(np.mean([pair.theirs.accuracy for pair in self.pairs]))

    @property
    def after(self) -> float:
        """Mean error of ours."""
        return 1 - float(np.mean([pair.ours.accuracy for pair in self.pairs]))

    @property
    def reduction(self) -> float:
        """Share of the error that is gone."""
        return 1 - self.after / self.before if self.before else 0.0

    @property
    def record(self) -> str:
        """Seeds won, tied and lost by accuracy."""
        signs = np.sign(self._changes(0))
        return "/".join(str(int((signs == sign).sum())) for sign in (1, 0, -1))

    def __str__(self) -> str:
        return (
            f"{self.accuracy!s:>16s} {self.record:>9s} {self.before:7.4f} → {self.after:.4f} "
            f"{self.reduction:5.0%} {self.loss!s:>17s} {len(self.pairs):5d}"
        )

    def _changes(self, index: int) -> NDArray[np.float64]:
        return np.array([pair.ours[index] - pair.theirs[index] for pair in self.pairs])


def print_rows(title: str, rows: Mapping[str, Row]) -> None:
    """A table."""
    print(
        f"\n{title}\n{'':31s}{'gain in accuracy':>16s} {'w/t/l':>9s} {'error':>16s} {'less':>5s} "
        f"{'gain in loss':>17s} seeds"
    )
    for label, row in rows.items():
        print(f"{label:31s}{row}", flush=True)
