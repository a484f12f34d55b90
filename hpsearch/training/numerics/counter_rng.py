"""Random numbers from a counter: each depends on (key, position) and on nothing else.

T   streams: one per trial, or one that all trials share
A step's key comes from (study seed, trial number, epoch, step), and numbers are handed out in the
order of asking. So they are the same however many trials train at once, and a resumed epoch needs
no generator's state. Everything is arithmetic on tensors: no loop over trials.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor


def scramble(words: Tensor) -> Tensor:
    """A bijection of 32-bit words that leaves no visible pattern; int32 of any shape.

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
    """Scrambled counters, [count]; cached, as a model asks for the same positions at every step."""
    return scramble(torch.arange(start, start + count, dtype=torch.int32, device=device))


class CounterRng:
    """The random numbers of one step.

    Args:
        keys: of the step, one per stream, [T] int32.
    """

    def __init__(self, keys: Tensor) -> None:
        self._keys = keys.unsqueeze(1)
        self._used = 0

    @property
    def streams(self) -> int:
        """Number of streams, T."""
        return len(self._keys)

    def words(self, count: int) -> Tensor:
        """The next words of each stream, [T, count], uniform over all of int32."""
        start, self._used = self._used, self._used + count
        return scramble(_positions(start, count, self._keys.device) ^ self._keys)

    def uniform(self, *shape: int, dtype: torch.dtype) -> Tensor:
        """Draws from U[0, 1), [T, *shape]."""
        words = self.words(math.prod(shape))
        return (words.to(dtype) / 2**32 + 0.5).clamp_(max=_BELOW_ONE).view(-1, *shape)

    def normal(self, *shape: int, dtype: torch.dtype) -> Tensor:
        """Draws from N(0, 1), [T, *shape], by Box and Muller 1958."""
        radius, angle = self.uniform(2, *shape, dtype=dtype).unbind(1)
        return (-2 * (1 - radius).log()).sqrt_().mul_((2 * math.pi * angle).cos_())


_BELOW_ONE = 1 - 2**-24
"""Largest float32 below 1."""
