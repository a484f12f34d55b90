"""Fresh rows, held to what a model takes before it sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpsearch.errors import InvalidInput
from hpsearch.spec.messages import shown


def records_of(x: Any, columns: Sequence[str]) -> list[Mapping[str, Any]]:
    """Rows of an uploaded table: a DataFrame, or a mapping from column to value for each row.

    A column that a row lacks is missing there, and others do not count.

    Raises:
        InvalidInput: when they are something else.
    """
    found = x.to_dict("records") if hasattr(x, "to_dict") else x
    if isinstance(found, Mapping) or not isinstance(found, Sequence | np.ndarray):
        raise InvalidInput.at(
            "x", f"must be a DataFrame or a list of rows, got {type(x).__name__}; put one row in []"
        )
    for place, row in enumerate(found):
        if not isinstance(row, Mapping):
            raise InvalidInput.at(
                f"x.{place}",
                f"must map columns to values, got {shown(row)}; name the columns, "
                "as the table does",
            )
        if not any(column in row for column in columns):
            raise InvalidInput.at(
                f"x.{place}",
                f"must have some of the columns {', '.join(columns[:10])}, got {shown(dict(row))}",
            )
    return list(found)


def numbers_of(x: Any, features: tuple[int, ...]) -> NDArray[np.float64]:
    """Rows of numbers, [N, *features].

    Raises:
        InvalidInput: when they are no numbers, not finite, or of another shape.
    """
    tensor = x.detach().cpu() if hasattr(x, "detach") else x
    try:
        rows = np.asarray(tensor)
    except ValueError:
        raise InvalidInput.at(
            "x", f"must have rows of shape {list(features)}, got rows of several lengths"
        ) from None
    if rows.dtype.kind not in "biuf":
        listed = rows.ravel().tolist()
        strange = next(
            (value for value in listed if not isinstance(value, int | float)), rows.dtype
        )
        raise InvalidInput.at(
            "x", f"must hold numbers, got {shown(strange)}; turn them into numbers, as in training"
        )
    if rows.shape[1:] != features or rows.ndim == 0:
        is_single = rows.shape == features
        remedy = "; put a single row in []" if is_single else ""
        raise InvalidInput.at(
            "x",
            f"must have the shape [rows, {', '.join(map(str, features))}], "
            f"got {list(rows.shape)}{remedy}",
        )
    numbers = rows.astype(np.float64)
    finite = np.isfinite(numbers).all(axis=tuple(range(1, numbers.ndim)))
    if not finite.all():
        place = int(np.argmin(finite))
        raise InvalidInput.at(
            f"x.{place}", "must hold finite numbers, got NaN or infinity; leave the row out"
        )
    return numbers
