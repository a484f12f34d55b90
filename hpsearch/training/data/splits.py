"""Which rows train, which validate, which test: fixed by the study's seed.

Shares hold for the whole and, within one row, for every class of more than two rows.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpsearch.errors import TrainingFailed
from hpsearch.spec.task import Split
from hpsearch.training.numerics.seeds import Stream, numpy_generator

Indices = NDArray[np.int64]


class SplitIndices(NamedTuple):
    """Row numbers, each part in ascending order."""

    train: Indices
    validation: Indices
    test: Indices


def split_rows(y: NDArray[Any], split: Split, seed: int, *, classes: bool) -> SplitIndices:
    """Draws the three parts of the rows of y [N]; stratified where y holds classes.

    Raises:
        TrainingFailed: when training or validation is left without a row.
    """
    parts = draw_rows(y, split, seed, classes=classes)
    for name, rows in (("training", parts.train), ("validation", parts.validation)):
        if not len(rows):
            raise TrainingFailed(
                f"task.split must leave at least one {name} row, got none of {len(y)} rows "
                f"with validation {split.validation:g} and test {split.test:g}; "
                "change the shares"
            )
    return parts


def draw_rows(
    y: NDArray[Any], split: Split, seed: int, *, classes: bool, folds: int = 0
) -> SplitIndices:
    """Draws the three parts, of which any may be empty.

    Classes are laid end to end, each shuffled, and boundaries are rounded on the running total:
    so a part of n·share rows is met exactly, and each class's part within one row. But all rows of
    a class that is rare (`Split.is_rare`, with so many folds) train, and count in no total; and of
    every class a row trains, though the shares would leave none.
    """
    rng = numpy_generator(Stream.SPLIT, seed)
    train, validation, test = [], [], []
    before = 0
    for group in strata(y, classes=classes):
        rows = rng.permutation(group)
        if classes and split.is_rare(len(rows), folds):
            train.append(rows)
            continue
        after = before + len(rows)
        tests = _share(after, split.test) - _share(before, split.test)
        validates = _share(after, split.validation) - _share(before, split.validation)
        validates = min(validates, len(rows) - tests)
        if classes and tests + validates == len(rows):
            # Under folds validation rows train anyway, and test rows stay what they are.
            if validates >= (1 if folds else tests):
                validates -= 1
            else:
                tests -= 1
        test.append(rows[:tests])
        validation.append(rows[tests : tests + validates])
        train.append(rows[tests + validates :])
        before = after
    none = np.empty(0, np.int64)
    return SplitIndices(*(np.sort(np.concatenate([none, *p])) for p in (train, validation, test)))


def strata(y: NDArray[Any], *, classes: bool) -> list[Indices]:
    """The rows of each class; of numbers all rows."""
    if not classes:
        return [np.arange(len(y))]
    return [np.flatnonzero(y == label) for label in np.unique(y)]


def _share(rows: int, share: float) -> int:
    return int(np.floor(rows * share + 0.5))
