"""A fully connected layer for K trials, with the same bits for each however many there are.

K   trials        B   rows        I, O   inputs and outputs
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from hpsearch.training.models.base import Views
from hpsearch.training.numerics.alignment import align, aligned_empty

NARROW = 16
"""Below as many outputs the transposed product is up to four times as fast on CPUs."""


def dense(weights: Views, name: str, x: Tensor) -> Tensor:
    """The layer of that name: x [B, I] or [K, B, I] → [K, B, O]; autograd knows its way back."""
    outputs: Tensor = _Dense.apply(x, weights[f"{name}.weight"], weights[f"{name}.bias"])  # type: ignore[no-untyped-call]
    return outputs


def linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """The layer of weight [K, I, O] and bias [K, O]: x @ weight + bias for each trial."""
    x, bias = _per_trial(x, weight.shape[0]), bias.unsqueeze(1)
    if weight.shape[2] < NARROW:
        columns = multiply(weight.transpose(1, 2), x.transpose(1, 2), bias.transpose(1, 2))
        return columns.transpose(1, 2)
    return multiply(x, weight, bias)


def weight_gradient(x: Tensor, grad: Tensor) -> Tensor:
    """The gradient of a weight, [K, I, O], from its input and that of its output [K, B, O]."""
    x, grad = _per_trial(x, grad.shape[0]), align(grad)
    if grad.shape[2] < NARROW:
        return multiply(grad.transpose(1, 2), x).transpose(1, 2)
    return multiply(x.transpose(1, 2), grad)


def input_gradient(grad: Tensor, weight: Tensor) -> Tensor:
    """The gradient of the input, [K, B, I], from that of the output [K, B, O]."""
    return multiply(align(grad), weight.transpose(1, 2))


def multiply(left: Tensor, right: Tensor, bias: Tensor | None = None) -> Tensor:
    """The product plus bias, [K, M, N] of [K, M, L], [K, L, N] and [K, M or 1, N or 1]."""
    trials, rows, columns = left.shape[0], left.shape[1], right.shape[2]
    if trials == 1 and min(rows, columns) == 1:
        # A lone product with a vector takes a way of its own, which rounds otherwise.
        left, right = left.expand(2, -1, -1), right.expand(2, -1, -1)
    if torch.is_autocast_enabled(left.device.type):
        product = torch.bmm(_rounded(left), _rounded(right))[:trials].to(left.dtype)
        return product if bias is None else product.add_(bias)
    product = aligned_empty((left.shape[0], rows, columns), left)
    if bias is None:
        torch.bmm(left, right, out=product)
    else:
        torch.baddbmm(bias, left, right, out=product)
    return product[:trials]


def _rounded(values: Tensor) -> Tensor:
    """In the precision that products are asked for."""
    half = values.new_empty(0, dtype=torch.get_autocast_dtype(values.device.type))
    return aligned_empty(tuple(values.shape), half).copy_(values)


def _per_trial(x: Tensor, trials: int) -> Tensor:
    """Rows [K, B, I] on cache lines; [B, I] shared by all stays one copy."""
    return align(x.expand(trials, *x.shape) if x.dim() == 2 else x)


class _Dense(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return linear(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        grad = align(grad)
        input_grad = input_gradient(grad, weight) if ctx.needs_input_grad[0] else None
        return input_grad, weight_gradient(x, grad), grad.sum(1)
