"""Fully connected layers; images are read as rows."""

from __future__ import annotations

import math

from torch import Tensor

from hpsearch.spec.model import Mlp as MlpSpec
from hpsearch.training.models.activations import ACTIVATIONS
from hpsearch.training.models.base import Shapes, Trace, Views, traced
from hpsearch.training.models.dense import dense
from hpsearch.training.models.dense_layers import dense_layers
from hpsearch.training.models.dropout import Masks
from hpsearch.training.models.norm import norm_buffers, norm_shapes, normalize


class Mlp:
    """Per hidden layer: x·W + b, norm, activation, dropout; then a linear read-out."""

    def __init__(self, spec: MlpSpec, features: tuple[int, ...], outputs: int) -> None:
        self.init = spec.init
        self.activation: str = spec.activation
        self._act = ACTIVATIONS[spec.activation]
        self._norm = spec.norm
        self._row = len(features)
        self._layers = [f"layers.{i}" for i in range(len(spec.sizes))]
        shapes: dict[str, tuple[int, ...]] = {}
        buffers: dict[str, tuple[int, ...]] = {}
        inputs = math.prod(features)
        for name, units in zip(self._layers, spec.sizes, strict=True):
            shapes |= {f"{name}.weight": (inputs, units), f"{name}.bias": (units,)}
            shapes |= norm_shapes(spec.norm, name, units)
            buffers |= norm_buffers(spec.norm, name, units)
            inputs = units
        shapes |= {"output.weight": (inputs, outputs), "output.bias": (outputs,)}
        self.shapes: Shapes = shapes
        self.buffers: Shapes = buffers

    def forward(
        self, weights: Views, buffers: Views, x: Tensor, dropout: Masks | None, training: bool
    ) -> Tensor:
        """Outputs [K, B, C] of x, [B, *features] or [K, B, *features]."""
        hidden = x.flatten(-self._row)
        for name in self._layers:
            hidden = dense(weights, name, hidden)
            hidden = normalize(self._norm, weights, buffers, name, hidden, training)
            hidden = self._act(hidden)
            if dropout is not None:
                hidden = dropout(hidden)
        return dense(weights, "output", hidden)

    def trace(self, weights: Views, buffers: Views, x: Tensor, dropout: Masks | None) -> Trace:
        """A pass in training; its gradient is by hand where there is no norm, else by autograd."""
        if self._norm == "none":
            return dense_layers(
                x.flatten(-self._row), self.activation, dropout, tuple(weights.values())
            )
        return traced(weights, lambda: self.forward(weights, buffers, x, dropout, True))
