"""Whether `training.folds`, a split and a data set go together."""

from __future__ import annotations

import math
from collections.abc import Iterator

from hpsearch.errors import FieldError
from hpsearch.spec.task import Split
from hpsearch.spec.wire.datasets import DatasetInfo
from hpsearch.spec.wire.upload import ColumnInfo

PATH = "training.folds"


def fold_errors(folds: int, split: Split, info: DatasetInfo) -> Iterator[FieldError]:
    """What is wrong with so many folds of this data; a column that divides it must be known."""
    if info.target == "none":
        yield FieldError(PATH, f"needs rows to divide, and {info.name} has none; leave it out")
    elif split.time is not None:
        yield FieldError(
            PATH,
            "cannot go with task.split.time, as models would train on later rows than those they "
            "are judged on; leave out one of the two",
        )
    elif split.by_column is None:
        yield from _share_errors(folds, split, info)
    else:
        column = next(column for column in info.columns if column.name == split.by_column[1])
        yield from _column_errors(folds, split, column)


def _share_errors(folds: int, split: Split, info: DatasetInfo) -> Iterator[FieldError]:
    rows = info.rows - sum(n for n in info.class_rows if split.is_rare(n, folds))
    not_testing = rows - math.floor(rows * split.test + 0.5)
    if not_testing < folds:
        yield FieldError(
            PATH,
            f"must be at most the {not_testing} rows of {info.name} that can validate, got "
            f"{folds}; use fewer folds",
        )


def _column_errors(folds: int, split: Split, column: ColumnInfo) -> Iterator[FieldError]:
    if split.column is not None:
        if validating := column.parts.get("validation"):
            yield FieldError(
                PATH,
                f"cannot go with a column that names rows for validation, and {column.name} names "
                f"{validating}; leave folds out, or call these rows train",
            )
        elif column.parts.get("train", folds) < folds:
            yield FieldError(
                PATH,
                f"must be at most the {column.parts['train']} rows that {column.name} calls train, "
                f"got {folds}; use fewer folds",
            )
    elif column.distinct < folds + bool(split.test):
        yield FieldError(
            PATH,
            f"must leave a group of {column.name} for each fold and for the test rows, and there "
            f"are {column.distinct} for {folds} folds; use fewer",
        )
