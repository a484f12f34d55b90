"""What formats of arrays share: from labels and parts to a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpsearch.training.uploads.table import SPLIT_NAMES, Column, Values

SPLIT = "split"
"""The mark that tells the parts of a data set that came split."""


def split_name_of(name: str) -> str | None:
    """The part of a data set that a file's or folder's name speaks of."""
    lower = name.lower()
    if "test" in lower or "t10k" in lower:
        return "test"
    if "val" in lower:
        return "validation"
    return "train" if "train" in lower or "data_batch" in lower else None


def split_mark(parts: Sequence[str | None], rows: Sequence[int]) -> tuple[Values, ...]:
    """A mark of the parts that blocks of rows belong to; none where they do not tell.

    Args:
        parts: of each block.
        rows: of each block.
    """
    if len(set(parts)) < 2 or None in parts or "train" not in parts:
        return ()
    names = tuple(part for part in SPLIT_NAMES if part in parts)
    codes = np.repeat([float(names.index(str(part))) for part in parts], rows)
    return (Values(Column(SPLIT, "category", names), codes),)


def first_bad(x: NDArray[Any], flags: NDArray[np.bool_]) -> tuple[int, float]:
    """The first row (from 1) of x [N, ...] with a flag, and the value there."""
    place = np.unravel_index(int(np.argmax(flags)), flags.shape)
    return int(place[0]) + 1, float(x[place])
