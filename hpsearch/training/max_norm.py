"""The max-norm constraint: what leads into a unit is scaled down to a bounded norm."""

from __future__ import annotations

import torch
from torch import Tensor

from hpsearch.training.models.base import Views

_GUARD = 1e-7
"""Added to the norm before dividing by it, as `torch.renorm` does."""


def constrain(weights: Views, limit: Tensor) -> None:
    """Holds ‖w‖ ≤ limit for each unit, in place.

    Args:
        weights: views [K, *shape]; of them `*.weight`, dense [K, in, out] by column, convolutional
            [K, out, in, kh, kw] by filter.
        limit: [K, 1].

    Source: Srebro & Shraibman 2005; Srivastava et al. 2014, section 5.1.
    """
    for name, tensor in weights.items():
        if name.endswith("weight"):
            axes = (1,) if tensor.dim() == 3 else tuple(range(2, tensor.dim()))
            norm = torch.linalg.vector_norm(tensor, dim=axes, keepdim=True)
            bound = limit.view(-1, *(1,) * (tensor.dim() - 1))
            tensor.mul_(torch.where(norm > bound, bound / (norm + _GUARD), 1.0))
