"""New rows of a table as cells by column, from every form that people have them in.

A table's rows come by the names of its columns, in any order: a DataFrame of pandas or polars, a
table of Arrow, or a mapping for each row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from hpsearch.errors import InvalidInput
from hpsearch.spec.language.messages import format_value
from hpsearch.training.uploads.cells import cells_of

if TYPE_CHECKING:
    import pyarrow as pa

MOST_NAMES = 10
"""Columns that an error names; more are only counted."""

ColumnCells: TypeAlias = tuple["pa.Array", ...]
"""A column's cells [N] as arrays of which each row has its cell in one at most: text, truth values
and the rest apart, as text alone needs to be read, and truth values among numbers become 1."""


class TableCells(NamedTuple):
    """Cells of rows by column."""

    rows: int
    columns: Mapping[str, ColumnCells]


def table_cells(x: Any, columns: Sequence[str]) -> TableCells:
    """The cells of rows in the columns that a model knows; others do not count.

    A column that a row's mapping lacks is missing there. A frame must have all columns, as one that
    is not there was mostly forgotten.

    Args:
        x: a data frame, or a mapping for each row.
        columns: the names that the model knows.

    Raises:
        InvalidInput: when rows are something else, or a name differs from a column's by case or
            spaces alone.
    """
    if not _is_frame(x):
        return _of_records(x, columns)
    _check_frame(list(_names(x)), columns)
    if hasattr(x, "__arrow_c_stream__") and not hasattr(x, "iloc"):  # all but pandas
        import pyarrow as pa

        x = pa.table(x)
    if hasattr(x, "num_rows"):  # Arrow, whose RecordBatch is no stream
        return TableCells(x.num_rows, {name: (cells_of(x.column(name)),) for name in columns})
    if hasattr(x, "to_dicts"):
        return _of_records(x.to_dicts(), columns)
    if not hasattr(x, "iloc"):
        raise InvalidInput.at(
            "x", f"must be a DataFrame or a list of rows, got {type(x).__name__}; collect it first"
        )
    return TableCells(len(x), {name: _series_cells(x[name]) for name in columns})


def listed(names: Iterable[str]) -> str:
    """Names as a sentence lists them; of very many the number."""
    every = list(names)
    more = f" and {len(every) - MOST_NAMES} more" if len(every) > MOST_NAMES else ""
    return ", ".join(every[:MOST_NAMES]) + more


def _is_frame(x: Any) -> bool:
    return not isinstance(x, Mapping) and _names(x) is not None


def _names(x: Any) -> Any:
    """The names of a frame's columns; None for other things."""
    names = getattr(x, "column_names", None)  # Arrow's `columns` are the values
    return getattr(x, "columns", None) if names is None else names


def _check_frame(names: Sequence[Any], columns: Sequence[str]) -> None:
    """Refuses a frame that names a column twice, or lacks one."""
    if repeated := [name for name, count in Counter(names).items() if count > 1]:
        raise InvalidInput.at(
            "x",
            f"must name each column once, got {format_value(repeated[0])} more often; rename it",
        )
    _check_names(set(names), columns, "x")
    if missing := [column for column in columns if column not in names]:
        raise InvalidInput.at(
            "x",
            f"must have the columns {listed(columns)}, and {listed(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} not among {listed(map(str, names))}; "
            "add what is missing, empty where its values are not known",
        )


def _of_records(rows: Any, columns: Sequence[str]) -> TableCells:
    """The cells of mappings from column to value."""
    if isinstance(rows, Mapping | str) or not isinstance(rows, Sequence | np.ndarray):
        raise InvalidInput.at(
            "x",
            f"must be a DataFrame or a list of rows, got {type(rows).__name__}; put one row in []",
        )
    known = set(columns)
    for index, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise InvalidInput.at(
                f"x.{index}",
                f"must map columns to values, got {format_value(row)}; name the columns, "
                "as the table does",
            )
        names = row.keys()
        if names >= known:
            continue
        _check_names(names, columns, f"x.{index}")
        if known.isdisjoint(names):
            raise InvalidInput.at(
                f"x.{index}",
                f"must have some of the columns {listed(columns)}, got {format_value(dict(row))}; "
                "name them as in training",
            )
    cells = {name: _value_cells([row.get(name) for row in rows]) for name in columns}
    return TableCells(len(rows), cells)


def _series_cells(series: Any) -> ColumnCells:
    """The cells of a column of pandas, which may hold objects of any types."""
    if series.dtype == object:
        return _value_cells(series.tolist())
    return (cells_of(series),)


def _value_cells(values: list[Any]) -> ColumnCells:
    """The cells of values; text, truth values and the rest apart where there are several."""
    families = {kind: _family(kind) for kind in set(map(type, values))}
    present = sorted(set(families.values()) - {_NOTHING})
    if len(present) < 2:
        return (cells_of(values),)
    return tuple(
        cells_of([value if families[type(value)] == family else None for value in values])
        for family in present
    )


_NOTHING, _TEXT, _TRUTH, _OTHER = range(4)


def _family(kind: type) -> int:
    """Of types whose values an array of Arrow may hold together without changing any."""
    if kind is type(None):
        return _NOTHING
    if issubclass(kind, str):
        return _TEXT
    return _TRUTH if issubclass(kind, bool | np.bool_) else _OTHER


def _check_names(names: Collection[Any], columns: Sequence[str], path: str) -> None:
    """Refuses a name that differs from a missing column's by case or spaces alone."""
    absent = {_plain(column): column for column in columns if column not in names}
    if not absent:
        return
    for name in names:
        meant = absent.get(_plain(name))
        if meant is not None and name not in columns:
            raise InvalidInput.at(
                path, f"must have the column {meant}, got {format_value(name)}; rename it"
            )


def _plain(name: Any) -> str:
    return "".join(str(name).split()).casefold()
