"""Standardisation: fitted on the training rows, then the same for every row ever seen.

Columns of a table are fitted one by one, the channels of images one by one: x [N, columns] or
[N, channels, height, width]. A column that is constant in training is shifted, never divided.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["zscore", "minmax", "none"]


@dataclass(frozen=True)
class Standardization:
    """(x − shift) / scale; both have the shape of a row, with 1 for height and width."""

    shift: NDArray[np.float64]
    scale: NDArray[np.float64]

    def __call__(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Standardised rows, [N, *features]."""
        return (x - self.shift) / self.scale


def fit(x: NDArray[np.float64], kind: Kind) -> Standardization:
    """Mean and standard deviation (zscore), least value and range (minmax), or 0 and 1."""
    over = (0, *range(2, x.ndim))
    shape = (x.shape[1], *(1,) * (x.ndim - 2))
    if kind == "none":
        return Standardization(np.zeros(shape), np.ones(shape))
    if kind == "zscore":
        shift, scale = x.mean(over), x.std(over)
    else:
        shift, scale = x.min(over), np.ptp(x, over)
    varies = scale > 1e-12 * np.maximum(np.abs(shift), 1e-300)
    return Standardization(shift.reshape(shape), np.where(varies, scale, 1.0).reshape(shape))
