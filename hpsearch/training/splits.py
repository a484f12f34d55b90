"""Which rows train, which validate, which test: fixed by the study's seed.

Shares hold for the whole and, within one row, for every class.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpsearch.errors import TrainingFailed
from hpsearch.spec.task import Split
from hpsearch.training.seeds import Stream, numpy_generator

Rows = NDArray[np.int64]


class Parts(NamedTuple):
    """Row numbers, each part in ascending order."""

    train: Rows
    validation: Rows
    test: Rows


def split_rows(y: NDArray[Any], split: Split, seed: int, *, classes: bool) -> Parts:
    """Draws the three parts of the rows of y [N]; stratified where y holds classes.

    Classes are laid end to end, each shuffled, and boundaries are rounded on the running total:
    so a part of n·share rows is met exactly, and each class's part within one row.

    Raises:
        TrainingFailed: when training or validation is left without a row.
    """
    rng = numpy_generator(Stream.SPLIT, seed)
    groups = (
        [np.flatnonzero(y == label) for label in np.unique(y)] if classes else [np.arange(len(y))]
    )
    train, validation, test = [], [], []
    before = 0
    for group in groups:
        rows = rng.permutation(group)
        after = before + len(rows)
        tests = _share(after, split.test) - _share(before, split.test)
        held = _share(after, split.validation) - _share(before, split.validation)
        held = min(held, len(rows) - tests)
        test.append(rows[:tests])
        validation.append(rows[tests : tests + held])
        train.append(rows[tests + held :])
        before = after
    parts = Parts(*(np.sort(np.concatenate(part)) for part in (train, validation, test)))
    for name, rows in (("training", parts.train), ("validation", parts.validation)):
        if not len(rows):
            raise TrainingFailed(
                f"task.split must leave at least one {name} row, got none of {len(y)} rows "
                f"with validation {split.validation:g} and test {split.test:g}; "
                "change the shares"
            )
    return parts


def _share(rows: int, share: float) -> int:
    return int(np.floor(rows * share + 0.5))
