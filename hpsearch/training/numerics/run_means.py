"""Metrics of a trial that is several runs: their means, and how far they lie apart."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

WITH_DEVIATION = ("val_", "test_")
"""Prefixes of the metrics that come with their deviation."""


def mean_metrics(
    runs: Sequence[Mapping[str, float]], objectives: Collection[str] = ()
) -> dict[str, float]:
    """Each metric's mean over the runs that have it.

    Beside objectives and metrics of held-out rows also the sample standard deviation
    `<metric>_std` (n − 1), where two runs have the metric.

    Args:
        runs: metrics by name, of each run.
        objectives: names of the metrics that the study is judged by.
    """
    names = dict.fromkeys(name for run in runs for name in run)
    means = {}
    for name in names:
        values = [run[name] for run in runs if name in run]
        means[name] = _mean(values)
        if len(values) > 1 and (name.startswith(WITH_DEVIATION) or name in objectives):
            means[f"{name}_std"] = _deviation(values, means[name])
    return means


def _mean(values: Sequence[float]) -> float:
    """Of equal values exactly their value; not finite where one is not."""
    first = values[0]
    if not all(map(math.isfinite, values)):
        return sum(values)
    return first + sum(value - first for value in values) / len(values)


def _deviation(values: Sequence[float], mean: float) -> float:
    squares = sum((value - mean) * (value - mean) for value in values)
    return math.sqrt(squares / (len(values) - 1))
