"""Standardisation: fitted on the training rows, then applied to every row.

Columns of a table are fitted one by one, the channels of images one by one: x [N, columns] or
[N, channels, height, width]. A column that is constant in training is shifted, never divided.
Columns of an uploaded table are encoded first; indicators of categories stay 0 and 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hpsearch.training.data.encoding import Encoding

Kind = Literal["zscore", "minmax", "none"]


@dataclass(frozen=True)
class Standardization:
    """(x − shift) / scale; both have the shape of a row, with 1 for height and width."""

    shift: NDArray[np.float64]
    scale: NDArray[np.float64]

    target_shift: float = 0.0
    target_scale: float = 1.0
    """Targets that are numbers are trained on as `(y - target_shift) / target_scale`."""

    encoding: Encoding | None = None
    """Applied to the rows of an uploaded table first; none for other data."""

    def __call__(self, x: NDArray[Any]) -> NDArray[np.float64]:
        """Standardised rows, [N, *features]."""
        encoded = x if self.encoding is None else self.encoding(x)
        return np.asarray((encoded - self.shift) / self.scale)


def fit(
    x: NDArray[Any],
    kind: Kind,
    numbers: NDArray[np.float64] | None = None,
    encoding: Encoding | None = None,
) -> Standardization:
    """Mean and standard deviation (zscore), least value and range (minmax), or 0 and 1.

    Args:
        x: training rows.
        kind: how.
        numbers: training targets [N] where they are numbers; unless the kind is none, they are
            brought to mean 0 and deviation 1, so that one range of learning rates suits them all.
        encoding: applied to the rows first.
    """
    if encoding is not None:
        x = encoding(x)
    over = (0, *range(2, x.ndim))
    shape = (x.shape[1], *(1,) * (x.ndim - 2))
    if kind == "none":
        return Standardization(np.zeros(shape), np.ones(shape), encoding=encoding)
    if kind == "zscore":
        shift, scale = x.mean(over, dtype=np.float64), x.std(over, dtype=np.float64)
    else:
        shift = x.min(over).astype(np.float64)
        scale = x.max(over).astype(np.float64) - shift
    scale = _divisor(shift, scale)
    if encoding is not None:
        shift = np.where(encoding.indicators, 0.0, shift)
        scale = np.where(encoding.indicators, 1.0, scale)
    target_shift, target_scale = 0.0, 1.0
    if numbers is not None:
        target_shift, deviation = float(numbers.mean()), float(numbers.std())
        target_scale = float(_divisor(np.array(target_shift), np.array(deviation)))
    return Standardization(
        shift.reshape(shape), scale.reshape(shape), target_shift, target_scale, encoding
    )


def _divisor(shift: NDArray[np.float64], scale: NDArray[np.float64]) -> NDArray[np.float64]:
    """The scale, and 1 where it is nothing but rounding."""
    varies = scale > 1e-12 * np.maximum(np.abs(shift), 1e-300)
    return np.where(varies, scale, 1.0)
