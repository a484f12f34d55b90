"""Additions that are judged by any metric of trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpsearch.ensembling.additions import Additions, Indices, TieBroken, map_slices, summed
from hpsearch.ensembling.measure import Floats, Measure
from hpsearch.ensembling.predictions import Numbers
from hpsearch.spec.metrics import direction_of

MEASURED_AT_ONCE = 2**19
"""Numbers of candidates' predictions that a core measures at a time: a few megabytes."""


def measured_alone(
    candidates: Numbers, targets: NDArray[Any], measure: Measure
) -> Mapping[str, Floats]:
    """All metrics of some candidates [K, N, C], each alone: [K] by name."""
    values = np.asarray(candidates, np.float64)
    labels = values.argmax(axis=-1) if targets.dtype.kind == "i" else None
    return measure(values, labels, targets)


class MeasuredMetric(TieBroken):
    """A metric of the ensemble with one candidate more; as a loss, so negated where more is better.

    Where rows do not define it, it is infinitely bad.
    """

    def __init__(
        self,
        candidates: Numbers,
        targets: NDArray[Any],
        name: str,
        measure: Measure,
        tie_breaker: Additions,
    ) -> None:
        """Prepares the metric of every candidate.

        Args:
            candidates: [M, N, C], probabilities, or numbers with C = 1.
            targets: [N], indices of classes, or numbers.
            name: the metric's, one of those that `measure` has.
            measure: the metrics of trials.
            tie_breaker: decides between candidates of equal metric.
        """
        super().__init__(len(candidates), tie_breaker)
        self.candidates = candidates
        self.targets = targets
        self.name = name
        self.measure = measure
        self.sign = -1.0 if direction_of(name) == "maximize" else 1.0

    def _with_each(self, chosen: Sequence[int], among: Indices) -> Floats:
        total = summed(self.candidates, chosen)
        step = max(1, MEASURED_AT_ONCE // total.size)
        is_classification = self.targets.dtype.kind == "i"

        def losses(part: slice) -> list[Floats]:
            chunks = []
            for start in range(part.start, part.stop, step):
                indices = among[start : min(start + step, part.stop)]
                values = self.candidates[indices] + total
                values /= len(chosen) + 1
                labels = values.argmax(axis=-1) if is_classification else None
                measured = self.measure(values, labels, self.targets, only=self.name)[self.name]
                chunks.append(np.where(np.isnan(measured), np.inf, self.sign * measured))
            return chunks

        return np.concatenate(
            [chunk for chunks in map_slices(losses, len(among), total.size) for chunk in chunks]
        )
