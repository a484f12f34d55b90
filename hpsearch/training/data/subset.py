"""A share of the training rows: stratified, and each share a part of every larger one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpsearch.training.numerics.seeds import Stream, numpy_generator


def fraction_rows(y: NDArray[Any], fraction: float, seed: int, classes: bool) -> NDArray[np.int64]:
    """⌈fraction·N⌉ of the rows of y [N], in ascending order.

    Each class's rows are shuffled and spread evenly over [0, 1); all rows are then taken in the
    order of these places, so that any beginning holds every class in proportion.
    """
    rng = numpy_generator(Stream.FRACTION, seed)
    places = np.empty(len(y))
    groups = (
        [np.flatnonzero(y == label) for label in np.unique(y)] if classes else [np.arange(len(y))]
    )
    for group in groups:
        places[rng.permutation(group)] = (np.arange(len(group)) + rng.random()) / len(group)
    count = int(np.ceil(fraction * len(y) - 1e-9))
    return np.sort(np.argsort(places, kind="stable")[: max(count, 1)])
