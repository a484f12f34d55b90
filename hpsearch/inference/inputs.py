"""New rows of numbers, checked against what a model takes before it sees them.

They come by position: anything that can be made an array. Rows that go by the names of a table's
columns are read by `row_reader`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpsearch.errors import InvalidInput
from hpsearch.spec.language.messages import format_value
from hpsearch.training.uploads.cells import MISSING_MARKS, is_missing


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


def table_by_position(x: Any, columns: int) -> NDArray[np.float64] | None:
    """Rows of a table of numbers as an array [N, columns], NaN where one is missing.

    Args:
        x: an array, a tensor, or a list for each row.
        columns: how many a row must have.

    Returns:
        None where the rows are none of these: a frame, or a mapping for each row.

    Raises:
        InvalidInput: when rows are infinite, no numbers, or have another number of columns.
    """
    is_array = hasattr(x, "__array__") and not hasattr(x, "columns")
    is_list = isinstance(x, Sequence) and not isinstance(x, str | bytes) and len(x) > 0
    if not (is_array or is_list) or (len(x) and isinstance(x[0], Mapping)):
        return None
    rows = _array(x, (columns,), may_miss=True)
    if rows.shape[1:] != (columns,):
        raise InvalidInput.at(
            "x",
            f"must have the shape [rows, {columns}], got {list(rows.shape)}"
            f"{_remedy(rows.shape, (columns,))}",
        )
    check_finite(
        np.where(np.isnan(rows), 0.0, rows),
        "must hold finite numbers, got infinity; leave it out if missing",
    )
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


def _array(x: Any, features: tuple[int, ...], *, may_miss: bool = False) -> NDArray[np.float64]:
    """Anything that holds numbers alone as an array of them; NaN where one may be missing."""
    if isinstance(x, np.ma.MaskedArray) and np.ma.getmaskarray(x).any():
        if not may_miss:
            raise InvalidInput.at(
                "x", "must hold a number in every place, got a masked array; leave such rows out"
            )
        x = np.where(np.ma.getmaskarray(x), np.nan, np.ma.getdata(x))
    try:
        # Numbers beside text would become text.
        is_mixed = may_miss and isinstance(x, list | tuple)
        rows = np.array(x, dtype=object) if is_mixed else np.asarray(_on_cpu(x))
    except ValueError:
        raise InvalidInput.at(
            "x", f"must have rows of shape {list(features)}, got rows of several lengths"
        ) from None
    except TypeError:
        raise _no_numbers(type(x).__name__) from None
    if rows.dtype.kind in "biuf":
        return np.asarray(rows, np.float64)
    values = rows.ravel().tolist()
    if rows.dtype.kind == "O" and may_miss:
        values = [np.nan if _is_missing(value) else value for value in values]
        rows = np.array([*values, None], dtype=object)[:-1].reshape(rows.shape)
    for value in values:
        if rows.dtype.kind != "O" or not isinstance(value, Real | np.bool_):
            raise _no_numbers(value)
    try:
        return rows.astype(np.float64)
    except OverflowError:
        raise _no_numbers("one beyond the largest of 64 bits") from None


def _is_missing(value: Any) -> bool:
    return value in MISSING_MARKS if isinstance(value, str) else is_missing(value)


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
