"""Bootstrap confidence intervals of scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpsearch.ensembling.combining import Combined
from hpsearch.ensembling.measure import Measure
from hpsearch.spec.metrics import direction_of

LEVEL = 0.95
AT_ONCE = 2**20
"""Draws in memory at a time."""

RESAMPLES = 2000
"""Sets of rows that are drawn."""
FEWEST = 100
"""Of them, where there are many rows."""
WORK = 4 * 10**7
"""Numbers that are measured at most for a metric that must be computed anew for each set of rows,
the fewest sets aside: some seconds."""

ROOTS = frozenset({"rmse"})
"""Scores that are the root of their rows' mean."""


def bootstrap(
    ensemble_rows: Mapping[str, NDArray[np.float64]],
    single_rows: Mapping[str, NDArray[np.float64]],
    seed: int = 0,
    resamples: int = RESAMPLES,
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


def bootstrap_metric(
    name: str,
    ensemble: Combined,
    single: Combined,
    targets: NDArray[Any],
    measure: Measure,
    seed: int = 0,
) -> tuple[dict[str, tuple[float, float]], int]:
    """95 % percentile intervals of a metric that is no mean over rows, such as auc.

    Rows of classes are drawn within their class, so that a draw holds as many of a rare class as
    there are: the interval says what other rows of these classes would show, not what another share
    of them would.

    Args:
        name: the metric's.
        ensemble: its predictions of the rows.
        single: those of the best single model.
        targets: [N], indices of classes, or numbers.
        measure: the metrics of trials.
        seed: of the draws.

    Returns:
        The intervals of the ensemble's score by its name and of the gain as `<name>_gain`; none
        where a draw does not define the metric, or there are fewer than two rows. And how many
        sets of rows were drawn: `RESAMPLES`, of many rows fewer, but at least `FEWEST`.
    """
    size = ensemble.values.size
    count = int(np.clip(WORK // max(size, 1), FEWEST, RESAMPLES))
    if len(targets) < 2:
        return {}, count
    both = [ensemble, single]
    values = np.stack([combined.values for combined in both])
    labels = None
    if ensemble.labels is not None and single.labels is not None:
        labels = np.stack([ensemble.labels, single.labels])
    draws = _draws_in_classes if labels is not None else _draws
    scores = []
    for rows in draws(targets, seed, count, max(1, AT_ONCE // size)):
        together = values[:, rows].reshape(-1, *values.shape[1:])
        taken = None if labels is None else labels[:, rows].reshape(-1, len(targets))
        measured = measure(together, taken, targets[rows[0]], only=name)[name]
        scores.append(measured.reshape(2, -1))
    own, alone = np.concatenate(scores, axis=1)
    if not (np.isfinite(own).all() and np.isfinite(alone).all()):
        return {}, count
    gain = own - alone if direction_of(name) == "maximize" else alone - own
    return {name: _interval(own), f"{name}_gain": _interval(gain)}, count


def _draws_in_classes(
    targets: NDArray[Any], seed: int, count: int, at_once: int
) -> Iterator[NDArray[np.int64]]:
    """Rows [at once, N], as many of each class as there are, in the same order of classes."""
    rng = np.random.default_rng(seed)
    rows_of_class = [np.flatnonzero(targets == label) for label in np.unique(targets)]
    for start in range(0, count, at_once):
        draws = min(at_once, count - start)
        yield np.concatenate(
            [rows[rng.integers(len(rows), size=(draws, len(rows)))] for rows in rows_of_class],
            axis=1,
        )


def _draws(
    targets: NDArray[Any], seed: int, count: int, at_once: int
) -> Iterator[NDArray[np.int64]]:
    """Rows [1, N]; each draw has targets of its own."""
    del at_once
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield rng.integers(len(targets), size=(1, len(targets)))


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
