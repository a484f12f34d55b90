"""Averages of weights: over steps with fading memory (EMA), over epochs (SWA)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


def ema_decay(limit: float, updates: NDArray[np.int64]) -> NDArray[np.float64]:
    """The decay d = min(limit, (1 + n) / (10 + n)) after the n-th update.

    The memory is short at the start. Source: `tf.train.ExponentialMovingAverage(num_updates=n)`.
    """
    return np.minimum(limit, (1 + updates) / (10 + updates))


def update_ema(shadow: Tensor, weights: Tensor, decay: Tensor) -> None:
    """Moves shadow ← d·shadow + (1 − d)·w, in place; matrices [K, P], d [K, 1]."""
    shadow.lerp_(weights, 1 - decay)


def is_swa_epoch(start: float, every: int, epoch: int, epochs: int) -> bool:
    """Whether the end of an epoch (0-based) enters the mean over a trial of `epochs`."""
    first = min(int(np.floor(start * epochs)), epochs - 1)
    return epoch >= first and (epoch - first) % every == 0


def update_swa(mean: Tensor, weights: Tensor, counted: Tensor) -> None:
    """Takes one more into a mean of `counted` (0 at first), in place; [K, P] and [K, 1]."""
    mean.lerp_(weights, 1 / (counted + 1))
