"""Rows that people have as arrays, tensors, lists or frames, as JSON that a server reads."""

from __future__ import annotations

from typing import Any

from pydantic_core import to_jsonable_python

from hpsearch.errors import InvalidInput


def json_rows(x: Any, *, named: bool) -> list[Any]:
    """Returns rows to predict as JSON has them: [N, *features] as nested lists.

    Args:
        x: an array, a tensor, lists of these, or a frame; NaN becomes null.
        named: rows of a frame are maps from column to value, not lists.

    Raises:
        InvalidInput: when it is no list of rows, or holds other than numbers and texts.
    """
    if is_frame(x):
        x = _records(x) if named else _values(x)
    try:
        rows = to_jsonable_python(x, inf_nan_mode="null", fallback=_plain)
    except ValueError as error:
        raise InvalidInput.at("x", f"must hold numbers and texts alone ({error})") from None
    if not isinstance(rows, list):
        raise InvalidInput.at(
            "x", f"must be a list of rows, got {type(x).__name__}; put one row in []"
        )
    return rows


def _plain(value: Any) -> Any:
    """An array or a tensor as a list, one of its elements as a plain number."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise ValueError(f"a value of type {type(value).__name__} is neither")


def is_frame(x: Any) -> bool:
    """Whether it is a table of pandas, polars or Arrow."""
    return any(hasattr(x, name) for name in ("to_dict", "to_dicts", "to_pylist"))


def _values(frame: Any) -> Any:
    """A table's rows in the order of its columns."""
    if hasattr(frame, "to_numpy"):
        return frame.to_numpy()
    return [list(row.values()) for row in frame.to_pylist()]


def _records(frame: Any) -> list[dict[str, Any]]:
    """A table's rows as maps from column to value."""
    if hasattr(frame, "to_pylist"):  # Arrow
        return list(frame.to_pylist())
    if hasattr(frame, "to_dicts"):  # polars, whose `to_dict` is by columns
        return list(frame.to_dicts())
    return list(frame.to_dict("records"))
