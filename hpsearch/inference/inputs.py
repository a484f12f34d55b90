"""New rows, checked against what a model takes before it sees them.

A table's rows come by the names of its columns, in any order: a DataFrame of pandas or polars, a
table of Arrow, or a mapping for each row. Rows of numbers come by position: anything that can be
made an array.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpsearch.errors import InvalidInput
from hpsearch.spec.language.messages import format_value

MOST_NAMES = 10
"""Columns that an error names; more are only counted."""


def table_records(x: Any, columns: Sequence[str]) -> list[Mapping[str, Any]]:
    """Rows of an uploaded table as mappings from column to value.

    A column that a row's mapping lacks is missing there, and columns that the model does not know
    do not count. A frame must have all columns, as one that is not there was mostly forgotten.

    Args:
        x: a data frame, or a mapping for each row.
        columns: the names that the model knows.

    Raises:
        InvalidInput: when rows are something else, or a name differs from a column's by case or
            spaces alone.
    """
    rows = _of_frame(x, columns)
    if isinstance(rows, Mapping | str) or not isinstance(rows, Sequence | np.ndarray):
        raise InvalidInput.at(
            "x", f"must be a DataFrame or a list of rows, got {type(x).__name__}; put one row in []"
        )
    for index, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise InvalidInput.at(
                f"x.{index}",
                f"must map columns to values, got {format_value(row)}; name the columns, "
                "as the table does",
            )
        _check_names(row, columns, f"x.{index}")
        if not any(column in row for column in columns):
            raise InvalidInput.at(
                f"x.{index}",
                f"must have some of the columns {_listed(columns)}, got {format_value(dict(row))}; "
                "name them as in training",
            )
    return list(rows)


def numeric_rows(x: Any, features: tuple[int, ...]) -> NDArray[np.float64]:
    """Rows of numbers as an array [N, *features]; an empty list has no rows.

    Args:
        x: anything that NumPy makes an array of, or a tensor.
        features: the shape that a row must have.

    Raises:
        InvalidInput: when rows are no numbers, not finite, or of another shape.
    """
    rows = _array(x, features)
    if rows.shape == (0,):
        rows = rows.reshape(0, *features)
    if rows.shape[1:] != features or rows.ndim == 0:
        raise InvalidInput.at(
            "x",
            f"must have the shape [rows, {', '.join(map(str, features))}], "
            f"got {list(rows.shape)}{_remedy(rows.shape, features)}",
        )
    check_finite(rows, "must hold finite numbers, got NaN or infinity; leave the row out")
    return rows


def check_finite(rows: NDArray[Any], rule: str, first: int = 0) -> None:
    """Refuses the first row that is not finite throughout.

    Args:
        rows: [N, ...].
        rule: the error's sentence.
        first: the index of the first row in what the person gave.
    """
    finite = np.isfinite(rows).all(axis=tuple(range(1, rows.ndim)))
    if not finite.all():
        raise InvalidInput.at(f"x.{first + int(np.argmin(finite))}", rule)


def _of_frame(x: Any, columns: Sequence[str]) -> Any:
    """The rows of a frame of pandas, polars or Arrow as mappings; anything else as it is."""
    names = getattr(x, "column_names", None)  # Arrow's `columns` are the values
    names = getattr(x, "columns", None) if names is None else names
    if names is None or isinstance(x, Mapping):
        return x
    listed = list(names)
    if repeated := [name for name, count in Counter(listed).items() if count > 1]:
        raise InvalidInput.at(
            "x",
            f"must name each column once, got {format_value(repeated[0])} more often; rename it",
        )
    _check_names(dict.fromkeys(listed), columns, "x")
    if missing := [column for column in columns if column not in listed]:
        raise InvalidInput.at(
            "x",
            f"must have the columns {_listed(columns)}, and {_listed(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} not among {_listed(map(str, listed))}; "
            "add what is missing, empty where its values are not known",
        )
    if hasattr(x, "to_pylist"):
        return x.to_pylist()
    return x.to_dicts() if hasattr(x, "to_dicts") else x.to_dict("records")


def _check_names(row: Mapping[Any, Any], columns: Sequence[str], path: str) -> None:
    """Refuses a name that differs from a missing column's by case or spaces alone."""
    absent = {_plain(column): column for column in columns if column not in row}
    if not absent:
        return
    for name in row:
        meant = absent.get(_plain(name))
        if meant is not None and name not in columns:
            raise InvalidInput.at(
                path, f"must have the column {meant}, got {format_value(name)}; rename it"
            )


def _plain(name: Any) -> str:
    return "".join(str(name).split()).casefold()


def _listed(names: Iterable[str]) -> str:
    every = list(names)
    more = f" and {len(every) - MOST_NAMES} more" if len(every) > MOST_NAMES else ""
    return ", ".join(every[:MOST_NAMES]) + more


def _array(x: Any, features: tuple[int, ...]) -> NDArray[np.float64]:
    """Anything that holds numbers alone as an array of them."""
    if isinstance(x, np.ma.MaskedArray) and np.ma.getmaskarray(x).any():
        raise InvalidInput.at(
            "x", "must hold a number in every place, got a masked array; leave such rows out"
        )
    try:
        rows = np.asarray(_on_cpu(x))
    except ValueError:
        raise InvalidInput.at(
            "x", f"must have rows of shape {list(features)}, got rows of several lengths"
        ) from None
    except TypeError:
        raise _no_numbers(type(x).__name__) from None
    if rows.dtype.kind in "biuf":
        return np.asarray(rows, np.float64)
    for value in rows.ravel().tolist():
        if rows.dtype.kind != "O" or not isinstance(value, Real | np.bool_):
            raise _no_numbers(value)
    try:
        return rows.astype(np.float64)
    except OverflowError:
        raise _no_numbers("one beyond the largest of 64 bits") from None


def _no_numbers(value: Any) -> InvalidInput:
    return InvalidInput.at(
        "x", f"must hold numbers, got {format_value(value)}; turn them into numbers, as in training"
    )


def _on_cpu(x: Any) -> Any:
    """A tensor of torch where NumPy can read it, bfloat16 as float64; anything else as it is."""
    if not hasattr(x, "detach"):
        return x
    tensor = x.detach().cpu()
    return tensor.double() if tensor.is_floating_point() else tensor


def _remedy(shape: tuple[int, ...], features: tuple[int, ...]) -> str:
    """What may have been meant by rows of another shape."""
    if shape == features:
        return "; put a single row in []"
    if len(features) != 3:
        return ""
    channels, *sides = features
    if shape[1:] == (*sides, channels):
        return "; put channels first: np.moveaxis(x, -1, 1)"
    if channels == 1 and shape[1:] == tuple(sides):
        return "; give it an axis of channels: x[:, None]"
    if shape[1:] == (int(np.prod(features)),):
        return f"; reshape it: x.reshape(-1, {', '.join(map(str, features))})"
    return ""
