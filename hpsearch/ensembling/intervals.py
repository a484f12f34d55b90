"""How sure a score on a few rows is: bootstrap confidence intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
AT_ONCE = 2**20
"""Draws that are held in memory at a time."""

MORE_IS_BETTER = frozenset({"accuracy"})


def bootstrap(
    ensemble_rows: Mapping[str, NDArray[np.float64]],
    single_rows: Mapping[str, NDArray[np.float64]],
    seed: int = 0,
    resamples: int = 2000,
) -> dict[str, tuple[float, float]]:
    """95 % percentile intervals over rows drawn with replacement (Efron 1979).

    Every score is taken of the same draws, and gains are paired by row, so that they are far
    surer than the two scores apart.

    Args:
        ensemble_rows: `row_values` of the ensemble, [N] by name.
        single_rows: those of the best single model on the same rows.
        seed: of the draws.
        resamples: how many.

    Returns:
        The interval of each of the ensemble's scores by its name, and under `<name>_gain` that of
        its gain on the single model: ensemble − single for accuracy, single − ensemble for losses,
        so that more is better.
    """
    gains = {
        f"{name}_gain": row - single_rows[name]
        if name in MORE_IS_BETTER
        else single_rows[name] - row
        for name, row in ensemble_rows.items()
    }
    values = {**ensemble_rows, **gains}
    columns = np.stack(list(values.values()), axis=1)
    # Distances from the first row, so that rows that are all alike give an interval of no width.
    first = columns[0]
    means = np.concatenate(
        [counts @ (columns - first) for counts in _drawn(len(columns), seed, resamples)]
    )
    tail = (1 - LEVEL) / 2
    low, high = first + np.quantile(means / len(columns), (tail, 1 - tail), axis=0)
    return {name: (float(low[place]), float(high[place])) for place, name in enumerate(values)}


def _drawn(rows: int, seed: int, resamples: int) -> Iterator[NDArray[np.float64]]:
    """How often each row is in each resample, [some, N] at a time."""
    rng = np.random.default_rng(seed)
    step = max(1, AT_ONCE // rows)
    for start in range(0, resamples, step):
        draws = rng.integers(rows, size=(min(step, resamples - start), rows), dtype=np.int32)
        yield np.stack([np.bincount(draw, minlength=rows) for draw in draws]).astype(np.float64)
