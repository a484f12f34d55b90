"""What predictions are measured by: the metrics of trials, which come in as a function.

This room knows NumPy alone, and trials' metrics are computed with torch: whoever selects or scores
here hands in the function that computes them, so that no metric is written twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Measure(Protocol):
    """Metrics of K predictions of the same N rows, by name."""

    def __call__(
        self,
        values: Floats,
        labels: NDArray[np.int64] | None,
        targets: NDArray[Any],
        only: str | None = None,
    ) -> Mapping[str, Floats]:
        """The metrics, each [K]; NaN where rows do not define one.

        Args:
            values: [K, N, C], probabilities or shares of votes; [K, N, 1] for numbers in the data's
                own unit.
            labels: [K, N], the predicted classes; none for numbers.
            targets: [N], indices of classes, or numbers.
            only: the name of the one metric that is wanted; none for all.
        """
        ...
