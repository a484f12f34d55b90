"""Fully connected layers without norm, with their gradient by hand.

K   trials        B   rows        I, O   inputs and outputs of a layer
On small networks autograd's bookkeeping costs three times the arithmetic; by hand a layer's way
back takes five tensor operations.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from hpsearch.training.models.activations import ACTIVATIONS, DERIVATIVES
from hpsearch.training.models.base import Trace
from hpsearch.training.models.dense import input_gradient, linear, weight_gradient
from hpsearch.training.models.dropout import Masks


class _Layer(NamedTuple):
    """A hidden layer's numbers on the way forward."""

    weight: Tensor
    entering: Tensor
    before: Tensor
    """The activation."""
    after: Tensor
    mask: Tensor | None


@torch.no_grad()
def dense_layers(
    x: Tensor, activation: str, dropout: Masks | None, parameters: Sequence[Tensor]
) -> Trace:
    """Linear, activation, dropout, ..., linear.

    Args:
        x: [B, I] or [K, B, I].
        activation: between layers.
        dropout: none leaves nothing out.
        parameters: weight [K, I, O] and bias [K, O] of each layer, in turn.
    """
    act = ACTIVATIONS[activation]
    layers = []
    hidden = x
    for weight, bias in zip(parameters[:-2:2], parameters[1:-2:2], strict=True):
        before = linear(hidden, weight, bias)
        after = act(before)
        mask = None if dropout is None else dropout.mask(after)
        layers.append(_Layer(weight, hidden, before, after, mask))
        hidden = after if mask is None else after * mask
    weight, bias = parameters[-2:]

    def backward(grad: Tensor) -> list[Tensor]:
        return _backward(grad, activation, layers, hidden, weight)

    return Trace(linear(hidden, weight, bias), backward)


@torch.no_grad()
def _backward(
    grad: Tensor, activation: str, layers: Sequence[_Layer], last: Tensor, weight: Tensor
) -> list[Tensor]:
    """Gradients of the parameters, in their order, from that of the outputs."""
    derivative = DERIVATIVES[activation]
    gradients = [grad.sum(1), weight_gradient(last, grad)]
    for layer in reversed(layers):
        grad = input_gradient(grad, weight)
        if layer.mask is not None:
            grad = grad * layer.mask
        grad = derivative(grad, layer.before, layer.after)
        gradients += [grad.sum(1), weight_gradient(layer.entering, grad)]
        weight = layer.weight
    return gradients[::-1]
