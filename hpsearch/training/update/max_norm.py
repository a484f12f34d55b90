"""The max-norm constraint: what leads into a unit is scaled down to a bounded norm."""

from __future__ import annotations

import torch
from torch import Tensor

from hpsearch.training.models.base import Views
from hpsearch.training.numerics.layout import Layout

_GUARD = 1e-7
"""Added to the norm before dividing by it, as `torch.renorm` does."""


def constrain(layout: Layout, weights: Views, limit: Tensor) -> None:
    """Holds ‖w‖ ≤ limit for each unit, in place.

    Args:
        layout: says which tensors are weights, and on which axis their units lie.
        weights: its views, [K, *shape].
        limit: [K, 1].

    Source: Srebro & Shraibman 2005; Srivastava et al. 2014, section 5.1.
    """
    for entry in layout:
        if entry.unit is not None:
            tensor = weights[entry.name]
            axes = tuple(axis for axis in range(1, tensor.dim()) if axis != entry.unit + 1)
            norm = torch.linalg.vector_norm(tensor, dim=axes, keepdim=True)
            bound = limit.view(-1, *(1,) * (tensor.dim() - 1))
            tensor.mul_(torch.where(norm > bound, bound / (norm + _GUARD), 1.0))
