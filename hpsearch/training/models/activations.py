"""Activations: one function per name, each working on a tensor of any shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F  # noqa: N812 (its customary name)
from torch import Tensor

VECTOR = 32
"""Numbers that a CPU works on at a time, at most; what is left over may go another way."""

_aten = torch.ops.aten


def _identity(hidden: Tensor) -> Tensor:
    return hidden


def _whole(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The function on whole vectors alone: the left-over of a tensor rounds otherwise on CPUs.

    Where a trial's numbers lie among the group's would then decide their last bits.
    """

    def on_vectors(*tensors: Tensor) -> Tensor:
        shape, count = tensors[0].shape, tensors[0].numel()
        if tensors[0].device.type != "cpu":
            return function(*tensors)
        if count % VECTOR == 0:
            return function(*(tensor.contiguous() for tensor in tensors))
        wide = [F.pad(tensor.flatten(), (0, -count % VECTOR)) for tensor in tensors]
        return function(*wide)[:count].view(shape)

    return on_vectors


DERIVATIVES: Mapping[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "relu": lambda grad, _, after: _aten.threshold_backward(grad, after, 0),
    "leaky_relu": lambda grad, before, _: _aten.leaky_relu_backward(grad, before, 0.01, False),
    "elu": _whole(lambda grad, before, _: _aten.elu_backward(grad, 1, 1, 1, False, before)),
    "gelu": _whole(lambda grad, before, _: _aten.gelu_backward(grad, before)),
    "silu": _whole(lambda grad, before, _: _aten.silu_backward(grad, before)),
    "tanh": _whole(lambda grad, _, after: _aten.tanh_backward(grad, after)),
    "sigmoid": _whole(lambda grad, _, after: _aten.sigmoid_backward(grad, after)),
    "identity": lambda grad, _, after: grad,  # noqa: ARG005 (all have the same signature)
}
"""The gradient before an activation, from that after it and the numbers before and after."""

ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "leaky_relu": F.leaky_relu,
    "elu": _whole(F.elu),
    "gelu": _whole(F.gelu),
    "silu": _whole(F.silu),
    "tanh": _whole(torch.tanh),
    "sigmoid": _whole(torch.sigmoid),
    "identity": _identity,
}
