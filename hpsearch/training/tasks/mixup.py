"""Mixup: each row of a batch mixed with the next one, which the batch's order made a random one.

λ ~ Beta(α, α), one per batch and trial. Losses are mixed in place of targets, which is the same
for cross-entropy; numbers are mixed themselves.

Source: Zhang et al. 2018.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from hpsearch.spec.augment import Mixup
from hpsearch.training.numerics.seeds import Stream, numpy_generator


def shares(kind: Mixup, seed: int, *parts: int, steps: int) -> np.ndarray:
    """λ of every step of an epoch, [steps]."""
    rng = numpy_generator(Stream.MIXUP, seed, *parts)
    return rng.beta(kind.alpha, kind.alpha, size=steps)


def partners(rows: Tensor, axis: int) -> Tensor:
    """What each row is mixed with: the next one, and the first for the last."""
    return rows.roll(-1, axis)


def mix(x: Tensor, share: Tensor) -> Tensor:
    """λ·row + (1 − λ)·its partner; x [T, B, ...], λ [T]."""
    share = share.view(-1, *(1,) * (x.dim() - 1))
    return torch.lerp(partners(x, 1), x, share)
