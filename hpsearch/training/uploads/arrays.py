"""What formats of arrays share: the parts that files belong to, and faulty values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpsearch.training.uploads.table import SPLIT_NAMES, Column, ColumnValues

SPLIT = "split"
"""Name of the side column that says to which part a row of a data set belongs that came split."""


def split_name_of(name: str) -> str | None:
    """The part of a split that a file's or folder's name speaks of; none where it names none."""
    lower = name.lower()
    if "test" in lower or "t10k" in lower:
        return "test"
    if "val" in lower:
        return "validation"
    return "train" if "train" in lower or "data_batch" in lower else None


def split_side_column(parts: Sequence[str | None], rows: Sequence[int]) -> tuple[ColumnValues, ...]:
    """The side column of a data set that came in parts, or nothing where it did not.

    Args:
        parts: name of the part of each block of rows; none where it is not known.
        rows: number of rows of each block.
    """
    if len(set(parts)) < 2 or None in parts or "train" not in parts:
        return ()
    names = tuple(part for part in SPLIT_NAMES if part in parts)
    codes = np.repeat([float(names.index(str(part))) for part in parts], rows)
    return (ColumnValues(Column(SPLIT, "category", names), codes),)


def first_bad(x: NDArray[Any], flags: NDArray[np.bool_]) -> tuple[int, float]:
    """The first row (from 1) of x [N, ...] with a flag, and the value there."""
    index = np.unravel_index(int(np.argmax(flags)), flags.shape)
    return int(index[0]) + 1, float(x[index])
