"""Dropout masks from a counter: each number depends on (key, position) and on nothing else.

K   trials        B   rows of a batch
A step's key comes from (study seed, trial number, epoch, step). The hash of position and key is a
32-bit number, and a unit is left out when it falls below `rate`. So masks are the same however
many trials train at once, and a resumed epoch needs no generator's state.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

_LOW = -(2**31)


def scramble(words: Tensor) -> Tensor:
    """A bijection of 32-bit words that leaves no visible pattern, [...] int32 → the same.

    Source: Ellis, "Hash function prospector", 2018: multiply and xor-shift, `lowbias32`. Torch's
    int32 shift carries the sign, so each shift is masked.
    """
    words = words ^ ((words >> 16) & 0xFFFF)
    words = words * 0x7FEB352D
    words ^= (words >> 15) & 0x1FFFF
    words *= 0x846CA68B - 2**32
    words ^= (words >> 16) & 0xFFFF
    return words


@lru_cache(maxsize=64)
def _positions(start: int, count: int, device: torch.device) -> Tensor:
    """Scrambled counters, [count]; made once for each layer of a model."""
    return scramble(torch.arange(start, start + count, dtype=torch.int32, device=device))


class Dropout:
    """The masks of one step; layers are numbered in the order in which they ask."""

    def __init__(self, keys: Tensor, rates: Tensor) -> None:
        """Keys [K] int32 of the step and rates [K] in [0, 1)."""
        self._keys = keys.unsqueeze(1)
        self._thresholds = (rates.double() * 2**32 + _LOW).round().to(torch.int32).unsqueeze(1)
        self._scales = 1 / (1 - rates).unsqueeze(1)
        self._used = 0

    def __call__(self, hidden: Tensor) -> Tensor:
        """Leaves out units of hidden [K, B, ...], scaling the rest by 1 / (1 − rate)."""
        count = hidden[0].numel()
        words = scramble(_positions(self._used, count, hidden.device) ^ self._keys)
        self._used += count
        mask = (words >= self._thresholds) * self._scales
        return hidden * mask.view(hidden.shape)
