"""Bootstrap confidence intervals of scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from hpsearch.spec.metrics import direction_of

LEVEL = 0.95
AT_ONCE = 2**20
"""Draws in memory at a time."""

ROOTS = frozenset({"rmse"})
"""Scores that are the root of their rows' mean."""


def bootstrap(
    ensemble_rows: Mapping[str, NDArray[np.float64]],
    single_rows: Mapping[str, NDArray[np.float64]],
    seed: int = 0,
    resamples: int = 2000,
) -> dict[str, tuple[float, float]]:
    """95 % percentile intervals over rows drawn with replacement (Efron 1979).

    Every score is computed on the same draws, and gains are paired by row, so that their intervals
    are far narrower than those of the two scores. A single row does not show how far others would
    differ, and rows that are not finite show nothing: such intervals are left out.

    Args:
        ensemble_rows: `row_values` of the ensemble, [N] by name.
        single_rows: those of the best single model on the same rows.
        seed: of the draws.
        resamples: how many sets of rows are drawn.

    Returns:
        The interval of each of the ensemble's scores by its name, and under `<name>_gain` that of
        its gain on the single model: ensemble − single for accuracy, single − ensemble for losses,
        so that more is better.
    """
    names = [
        name
        for name, rows in ensemble_rows.items()
        if len(rows) > 1 and np.isfinite(rows).all() and np.isfinite(single_rows[name]).all()
    ]
    if not names:
        return {}
    columns = np.stack(
        [rows[name] for rows in (ensemble_rows, single_rows) for name in names], axis=1
    )
    # Distances from the first row, so that rows that are all equal give an interval of no width.
    first = columns[0]
    distances = np.ascontiguousarray((columns - first).T)
    # Not `@`: libraries add up so long a row in slices, as many as they have threads.
    means = first + np.concatenate(
        [
            np.einsum("sn,kn->sk", counts, distances) / len(columns)
            for counts in _resample_counts(len(columns), seed, resamples)
        ]
    )
    intervals = {}
    for index, name in enumerate(names):
        own, single = means[:, index], means[:, index + len(names)]
        if name in ROOTS:
            own, single = np.sqrt(np.maximum(own, 0)), np.sqrt(np.maximum(single, 0))
        intervals[name] = _interval(own)
        gain = own - single if direction_of(name) == "maximize" else single - own
        intervals[f"{name}_gain"] = _interval(gain)
    return intervals


def _interval(draws: NDArray[np.float64]) -> tuple[float, float]:
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(draws, (tail, 1 - tail))
    return float(low), float(high)


def _resample_counts(rows: int, seed: int, resamples: int) -> Iterator[NDArray[np.float64]]:
    """How often each row is in each resample, [resamples at a time, N]."""
    rng = np.random.default_rng(seed)
    step = max(1, AT_ONCE // rows)
    for start in range(0, resamples, step):
        draws = rng.integers(rows, size=(min(step, resamples - start), rows), dtype=np.int32)
        yield np.stack([np.bincount(draw, minlength=rows) for draw in draws]).astype(np.float64)
