"""Gradient clipping: each row of a matrix of gradients [K, P] on its own.

A trial without clipping in a group with it has the limit `inf`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

_GUARD = 1e-6
"""Added to the norm before dividing by it, as torch does."""


class ClipResult(NamedTuple):
    """Norms before clipping, and what was clipped."""

    norm: Tensor
    """[K]: Euclidean norm of each trial's gradient before clipping."""
    clipped: Tensor
    """[K], bool: whether the limit was exceeded."""


def clip_norm(grads: Tensor, limit: Tensor) -> ClipResult:
    """Scales rows, in place, to a norm of at most `limit`: g ← g·min(1, limit / (‖g‖ + 1e-6)).

    Args:
        grads: [K, P].
        limit: [K, 1], > 0.

    Source: Pascanu, Mikolov & Bengio 2013; `torch.nn.utils.clip_grad_norm_`.
    """
    norm = torch.linalg.vector_norm(grads, dim=1, keepdim=True)
    grads.mul_((limit / (norm + _GUARD)).clamp_(max=1))
    return ClipResult(norm.squeeze(1), (norm > limit).squeeze(1))


def clip_value(grads: Tensor, limit: Tensor) -> ClipResult:
    """Cuts entries, in place, to [−limit, limit].

    Args:
        grads: [K, P].
        limit: [K, 1], > 0.
    """
    norm = torch.linalg.vector_norm(grads, dim=1)
    largest = grads.abs().amax(dim=1, keepdim=True)
    grads.clamp_(-limit, limit)
    return ClipResult(norm, (largest > limit).squeeze(1))
