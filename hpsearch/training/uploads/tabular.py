"""What CSV and Parquet share: one column is the target, the rest features."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from hpsearch.spec.language.messages import format_value
from hpsearch.spec.wire.upload import ColumnUse
from hpsearch.training.uploads.csv_source import no_rows
from hpsearch.training.uploads.read_options import ReadOptions, invalid_upload
from hpsearch.training.uploads.table import SPLIT_NAMES, ColumnValues, Table
from hpsearch.training.uploads.target import Target, target_of

MAX_COLUMNS = 10_000
MAX_CATEGORIES = 256
"""Of a feature: each becomes an input of its own."""


def check_names(names: Sequence[str], options: ReadOptions) -> None:
    """Refuses columns that cannot be told apart, and options that name none of them.

    Raises:
        InvalidInput: naming the column.
    """
    if len(names) > MAX_COLUMNS:
        raise invalid_upload(f"a table must have at most {MAX_COLUMNS} columns, got {len(names)}")
    seen: set[str] = set()
    for number, name in enumerate(names, start=1):
        if not name:
            raise invalid_upload(
                f"every column must have a name, and column {number} has none; name it or "
                "take it out (pandas: to_csv(..., index=False))"
            )
        if name in seen:
            raise invalid_upload(
                f"column names must differ, and {format_value(name)} is there twice; rename one"
            )
        if len(name) > 500:
            raise invalid_upload(
                f"a column's name must have at most 500 characters, got {len(name)}"
            )
        seen.add(name)
    listed = ", ".join(names[:20])
    if options.target not in seen:
        got = "none" if options.target is None else format_value(options.target)
        raise invalid_upload(
            f"must name a column of the file, got {got}; there are {listed}", "target"
        )
    for name in options.uses:
        if name not in seen:
            raise invalid_upload(f"no column is called so; there are {listed}", "columns", name)


def check_rows(rows: int) -> None:
    """Refuses a file without rows.

    Raises:
        InvalidInput: when there is none.
    """
    if rows == 0:
        raise no_rows()


def use_of(options: ReadOptions, name: str) -> ColumnUse | None:
    """What was said that a column holds; none where nothing was, or that it is ignored."""
    use = options.uses.get(name)
    return None if use == "ignore" else use


def build_table(options: ReadOptions, columns: Iterable[ColumnValues], first_row: int) -> Table:
    """The table of a file's columns: the target, the features, and those that are neither.

    Args:
        options: names the target, and says what was said of columns.
        columns: all of the file, in its order.
        first_row: what the first row is called in messages.

    Raises:
        InvalidInput: when the target does not serve, or no feature is left.
    """
    features: list[ColumnValues] = []
    side_columns: list[ColumnValues] = []
    target: Target = (np.empty(0), ())
    for column in columns:
        if column.name == options.target:
            target = target_of(column, use_of(options, column.name), first_row)
        elif _is_no_feature(column, options):
            side_columns.append(column)
        else:
            _check_categories(column)
            features.append(column)
    if not features:
        raise invalid_upload(
            "a table must have a column to learn from beside the target, and all others are "
            "times or ignored; add one"
            if side_columns
            else "a table must have a column to learn from beside the target, and it has none"
        )
    x: NDArray[np.float64] = np.column_stack([feature.values for feature in features])
    return Table(x, *target, tuple(feature.column for feature in features), tuple(side_columns))


def _is_no_feature(column: ColumnValues, options: ReadOptions) -> bool:
    """Whether a column is a time, ignored, or holds the names of the parts of a split."""
    return (
        column.column.kind == "date"
        or options.uses.get(column.name) == "ignore"
        or (bool(column.categories) and set(column.categories) <= set(SPLIT_NAMES))
    )


def _check_categories(column: ColumnValues) -> None:
    name, count = column.name, len(column.categories)
    if count > MAX_CATEGORIES:
        raise invalid_upload(
            f"a feature must have at most {MAX_CATEGORIES} categories, and column {name} has "
            f'{count}; say columns={{"{name}": "ignore"}} (a split may still name it)'
        )
