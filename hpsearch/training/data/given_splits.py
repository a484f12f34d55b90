"""Splits by a column of the data: by name, by group, by time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpsearch.errors import TrainingFailed
from hpsearch.spec.task import Split
from hpsearch.training.data.splits import Indices, SplitIndices, draw_rows, split_rows
from hpsearch.training.numerics.seeds import Stream, numpy_generator
from hpsearch.training.uploads.table import ColumnValues, Table


def split_table(table: Table, split: Split, seed: int) -> SplitIndices:
    """The three parts of a table's rows, each in ascending order.

    Raises:
        TrainingFailed: when the table lacks the column, or training or validation are left
            without a row.
    """
    if split.by_column is None:
        return split_rows(table.y, split, seed, classes=bool(table.classes))
    kind, name = split.by_column
    parts = divide(table, split, seed)
    for part, rows in (("training", parts.train), ("validation", parts.validation)):
        if not len(rows):
            raise TrainingFailed(
                f"task.split.{kind} must leave at least one {part} row, and {name} leaves none; "
                "use another column or other shares"
            )
    return parts


def divide(table: Table, split: Split, seed: int, folds: int = 0) -> SplitIndices:
    """The parts of a table's rows, of which any may be empty, for so many folds.

    Raises:
        TrainingFailed: when the table lacks the column.
    """
    if split.by_column is None:
        return draw_rows(table.y, split, seed, classes=bool(table.classes), folds=folds)
    column = split_column(table, split)
    if split.column is not None:
        return _by_name(column, table, split, seed)
    if split.group is not None:
        return _by_group(column.values, split, seed)
    return _by_time(column.values, split)


def split_column(table: Table, split: Split) -> ColumnValues:
    """The column that splits the rows.

    Raises:
        TrainingFailed: when there is none, or it has holes.
    """
    kind, name = split.by_column or ("column", "")
    column = table.column(name)
    if column is None:
        raise TrainingFailed(
            f"task.split.{kind} must name a column of the data, got '{name}'; "
            "use one that GET /datasets names"
        )
    if column.missing.any():
        raise TrainingFailed(
            f"task.split.{kind} must name a column with a value in every row, and {name} has "
            "none in some; fill them in"
        )
    return column


def _by_name(column: ColumnValues, table: Table, split: Split, seed: int) -> SplitIndices:
    """Rows by what the column calls them; validation is drawn from training where it is none."""
    names = np.array(column.categories)[column.values.astype(np.int64)]
    train, validation, test = (
        np.flatnonzero(names == name) for name in ("train", "validation", "test")
    )
    if not len(validation):
        shares = split.model_copy(update={"test": 0.0, "column": None})
        indices = draw_rows(table.y[train], shares, seed, classes=bool(table.classes))
        train, validation = train[indices.train], train[indices.validation]
    return SplitIndices(train, validation, test)


def _by_group(groups: NDArray[np.float64], split: Split, seed: int) -> SplitIndices:
    """Groups in random order are given to test, then to validation, until each has its share.

    The last group given to a part is the one that brings it nearest to its share; every part
    with a share has a group at least.
    """
    _, group_of_row = np.unique(groups, return_inverse=True)
    sizes = np.bincount(group_of_row)
    order = numpy_generator(Stream.SPLIT, seed).permutation(len(sizes))
    ends = np.cumsum(sizes[order])
    tests = _nearest(ends, len(groups) * split.test, 0 if split.test == 0 else 1)
    held_out = _nearest(ends, len(groups) * (split.test + split.validation), tests + 1)
    rank = np.empty(len(sizes), dtype=np.int64)
    rank[order] = np.arange(len(sizes))
    return _cut(rank[group_of_row], tests, held_out)


def _nearest(ends: NDArray[Any], rows: float, least: int) -> int:
    """How many groups come nearest to so many rows, at least so many groups."""
    counts = np.concatenate([[0], ends])
    return max(int(np.argmin(np.abs(counts - rows))), least)


def _cut(rank: NDArray[np.int64], tests: int, held_out: int) -> SplitIndices:
    """Rows by the rank [N] of their group: the first `tests` test, up to `held_out` validate."""
    test, validation = rank < tests, (rank >= tests) & (rank < held_out)
    train = ~test & ~validation
    return SplitIndices(*(np.flatnonzero(part) for part in (train, validation, test)))


def _by_time(times: NDArray[np.float64], split: Split) -> SplitIndices:
    """The last rows test, those before validate; rows of one moment stay together."""
    ordered = np.sort(times)
    rows = len(times)

    def boundary(share: float) -> float:
        """The earliest moment of the last `share` of the rows."""
        count = min(max(round(rows * share), 1), rows)
        return float(ordered[rows - count])

    test_start = boundary(split.test) if split.test else np.inf
    test: Indices = np.flatnonzero(times >= test_start)
    validation_start = boundary(len(test) / rows + split.validation)
    validation = np.flatnonzero((times >= validation_start) & (times < test_start))
    train = np.flatnonzero(times < min(validation_start, test_start))
    return SplitIndices(train, validation, test)
