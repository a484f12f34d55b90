"""Dropout: each trial's own masks, at its own rate.

K   trials        B   rows of a batch
"""

from __future__ import annotations

import torch
from torch import Tensor

from hpsearch.training.numerics.counter_rng import CounterRng

_LOW = -(2**31)


class Dropout:
    """What an epoch leaves out: keys [S, K] of its steps, rates [K] in [0, 1)."""

    def __init__(self, keys: Tensor, rates: Tensor) -> None:
        self._keys = keys
        self._thresholds = (rates.double() * 2**32 + _LOW).round().to(torch.int32).unsqueeze(1)
        self._scales = 1 / (1 - rates).unsqueeze(1)

    def step(self, index: int) -> Masks:
        """The masks of one step of the epoch; equal at every call."""
        return Masks(CounterRng(self._keys[index]), self._thresholds, self._scales)


class Masks:
    """The masks of one forward pass; a layer's depends on the order in which layers ask."""

    def __init__(self, counter: CounterRng, thresholds: Tensor, scales: Tensor) -> None:
        self._counter, self._thresholds, self._scales = counter, thresholds, scales

    def mask(self, hidden: Tensor) -> Tensor:
        """What hidden [K, B, ...] is multiplied with: 0, or 1 / (1 − rate)."""
        words = self._counter.words(hidden[0].numel())
        return ((words >= self._thresholds) * self._scales).view(hidden.shape)

    def __call__(self, hidden: Tensor) -> Tensor:
        """Leaves out units of hidden [K, B, ...], scaling the rest by 1 / (1 − rate)."""
        return hidden * self.mask(hidden)
