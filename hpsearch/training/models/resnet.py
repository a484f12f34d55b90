"""The residual network of He et al. 2016 for small images, with shortcuts without weights."""

from __future__ import annotations

import torch
from torch import Tensor

from hpsearch.spec.model import Resnet as ResnetSpec
from hpsearch.training.models.base import Shapes, Trace, Views, traced
from hpsearch.training.models.convolution import convolve
from hpsearch.training.models.dense import dense
from hpsearch.training.models.dropout import Masks
from hpsearch.training.models.norm import norm_buffers, norm_shapes, normalize


class Resnet:
    """Convolution; 3·n blocks of (conv, norm, relu, conv, norm, + shortcut, relu); mean; linear.

    The first block of the second and third stage halves the map and doubles the filters; its
    shortcut takes every second pixel and fills the new filters with 0 (option A of the paper).
    """

    activation = "relu"

    def __init__(self, spec: ResnetSpec, features: tuple[int, ...], outputs: int) -> None:
        self.init = spec.init
        shapes: dict[str, tuple[int, ...]] = {}
        buffers: dict[str, tuple[int, ...]] = {}

        def convolution(name: str, inputs: int, filters: int) -> None:
            nonlocal shapes, buffers
            shapes |= {f"{name}.weight": (filters, inputs, 3, 3)}
            shapes |= norm_shapes("batch", name, filters)
            buffers |= norm_buffers("batch", name, filters)

        convolution("stem", features[0], spec.width)
        self._strides: list[int] = []
        inputs = spec.width
        for stage in range(3):
            filters = spec.width * 2**stage
            for block in range((spec.depth - 2) // 6):
                name = f"blocks.{len(self._strides)}"
                convolution(f"{name}.first", inputs, filters)
                convolution(f"{name}.second", filters, filters)
                self._strides.append(2 if stage and not block else 1)
                inputs = filters
        shapes |= {"output.weight": (inputs, outputs), "output.bias": (outputs,)}
        self.shapes: Shapes = shapes
        self.buffers: Shapes = buffers

    def forward(
        self, weights: Views, buffers: Views, x: Tensor, dropout: Masks | None, training: bool
    ) -> Tensor:
        """Outputs [K, B, C] of x, [B, *features] or [K, B, *features]."""
        del dropout

        def layer(name: str, maps: Tensor, stride: int = 1) -> Tensor:
            maps = convolve(weights, name, maps, stride=stride)
            return normalize("batch", weights, buffers, name, maps, training)

        x = torch.relu(layer("stem", x))
        for block, stride in enumerate(self._strides):
            inner = torch.relu(layer(f"blocks.{block}.first", x, stride))
            inner = layer(f"blocks.{block}.second", inner)
            x = torch.relu(inner + _shortcut(x, inner.shape[2], stride))
        return dense(weights, "output", x.mean((-2, -1)))

    def trace(self, weights: Views, buffers: Views, x: Tensor, dropout: Masks | None) -> Trace:
        """A pass in training over weights that require gradients, with its gradient by autograd."""
        return traced(weights, lambda: self.forward(weights, buffers, x, dropout, True))


def _shortcut(x: Tensor, filters: int, stride: int) -> Tensor:
    """The block's input [K, B, C, H, W] with `filters` channels and every `stride`-th pixel."""
    x = x[..., ::stride, ::stride]
    missing = x.new_zeros(*x.shape[:2], filters - x.shape[2], *x.shape[3:])
    return torch.cat([x, missing], dim=2)
