"""Activations: one function per name, each working on a tensor of any shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F  # noqa: N812 (its customary name)
from torch import Tensor


def _identity(hidden: Tensor) -> Tensor:
    return hidden


_aten = torch.ops.aten

DERIVATIVES: Mapping[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "relu": lambda grad, _, after: _aten.threshold_backward(grad, after, 0),
    "leaky_relu": lambda grad, before, _: _aten.leaky_relu_backward(grad, before, 0.01, False),
    "elu": lambda grad, before, _: _aten.elu_backward(grad, 1, 1, 1, False, before),
    "gelu": lambda grad, before, _: _aten.gelu_backward(grad, before),
    "silu": lambda grad, before, _: _aten.silu_backward(grad, before),
    "tanh": lambda grad, _, after: _aten.tanh_backward(grad, after),
    "sigmoid": lambda grad, _, after: _aten.sigmoid_backward(grad, after),
    "identity": lambda grad, _, after: grad,  # noqa: ARG005 (all have the same signature)
}
"""The gradient before an activation, from that after it and the numbers before and after."""

ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "leaky_relu": F.leaky_relu,
    "elu": F.elu,
    "gelu": F.gelu,
    "silu": F.silu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "identity": _identity,
}
