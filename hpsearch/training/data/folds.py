"""k-fold cross-validation: each row that is no test row validates once, and trains k − 1 times.

The test rows are those of the study's fixed split, so that trials with and without folds are
tested on the same. A class with a single row beside them trains in every fold and never validates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpsearch.errors import TrainingFailed
from hpsearch.spec.task import Split
from hpsearch.training.data.given_splits import divide, split_column
from hpsearch.training.data.splits import Indices, SplitIndices, strata
from hpsearch.training.numerics.seeds import Stream, numpy_generator
from hpsearch.training.uploads.table import Table


@dataclass(frozen=True)
class Fold:
    """Which of k folds of the rows validates; the others train."""

    index: int
    """0-based."""
    count: int
    """k."""


def folds_of(table: Table, split: Split, seed: int, count: int) -> tuple[SplitIndices, ...]:
    """The parts of each of `count` folds; drawn from the study's seed.

    Sizes differ by one row at most, and so do those of every class; where a column groups the
    rows, groups stay whole, and sizes come as near to each other as those of the groups allow.

    Raises:
        TrainingFailed: when the split leaves no choice of rows, or fewer than there are folds.
    """
    if split.time is not None or _names_validation(table, split):
        kind, name = split.by_column or ("column", "")
        raise TrainingFailed(
            f"training.folds cannot go with task.split.{kind}, and {name} says which rows "
            "validate; leave folds out"
        )
    fixed = divide(table, split, seed, count)
    rows = np.sort(np.concatenate([fixed.train, fixed.validation]))
    rng = numpy_generator(Stream.FOLDS, seed)
    groups = None if split.group is None else split_column(table, split).values[rows]
    is_single = _is_single(table.y[rows]) & (bool(table.classes) and groups is None)
    units = int((~is_single).sum()) if groups is None else len(np.unique(groups))
    if units < count:
        what = "rows that can validate"
        if groups is not None:
            what = f"groups of {split.group} that do not test"
        raise TrainingFailed(
            f"training.folds must be at most the {units} {what}, got {count}; use fewer folds"
        )
    if groups is None:
        fold_of_row = np.full(len(rows), -1)  # as is that of rows which always train
        fold_of_row[~is_single] = _stratified_folds(
            table.y[rows[~is_single]], count, rng, classes=bool(table.classes)
        )
    else:
        fold_of_row = _grouped_folds(groups, count, rng)
    return tuple(
        SplitIndices(rows[fold_of_row != index], rows[fold_of_row == index], fixed.test)
        for index in range(count)
    )


def _names_validation(table: Table, split: Split) -> bool:
    return split.column is not None and "validation" in split_column(table, split).texts()


def _is_single(y: NDArray[Any]) -> NDArray[np.bool_]:
    """Which of y [N] are unlike all others."""
    _, value_of_row, rows = np.unique(y, return_inverse=True, return_counts=True)
    return np.asarray(rows[value_of_row] == 1)


def _stratified_folds(
    y: NDArray[Any], count: int, rng: np.random.Generator, *, classes: bool
) -> Indices:
    """The fold of each row of y [N]: classes end to end, each shuffled, rows in turn."""
    order = np.concatenate([rng.permutation(group) for group in strata(y, classes=classes)])
    fold_of_row = np.empty(len(y), np.int64)
    fold_of_row[order] = np.arange(len(y)) % count
    return fold_of_row


def _grouped_folds(groups: NDArray[np.float64], count: int, rng: np.random.Generator) -> Indices:
    """The fold of each row: the largest groups first, each to the fold that is smallest so far.

    Equal sizes are taken in random order.
    """
    _, group_of_row = np.unique(groups, return_inverse=True)
    sizes = np.bincount(group_of_row)
    shuffled = rng.permutation(len(sizes))
    filled, fold_of_group = np.zeros(count, np.int64), np.empty(len(sizes), np.int64)
    for group in shuffled[np.argsort(-sizes[shuffled], kind="stable")]:
        fold_of_group[group] = int(np.argmin(filled))
        filled[fold_of_group[group]] += sizes[group]
    return fold_of_group[group_of_row]
