"""One layer from inputs to outputs."""

from __future__ import annotations

import math

from torch import Tensor

from hpsearch.spec.model import Linear as LinearSpec
from hpsearch.training.models.base import Shapes, Trace, Views
from hpsearch.training.models.dense import dense
from hpsearch.training.models.dense_layers import dense_layers
from hpsearch.training.models.dropout import Masks


class Linear:
    """outputs = x·W + b."""

    activation = "identity"

    def __init__(self, spec: LinearSpec, features: tuple[int, ...], outputs: int) -> None:
        self.init = spec.init
        self._inputs = math.prod(features)
        self._row = len(features)
        self.shapes: Shapes = {
            "output.weight": (self._inputs, outputs),
            "output.bias": (outputs,),
        }
        self.buffers: Shapes = {}

    def forward(
        self, weights: Views, buffers: Views, x: Tensor, dropout: Masks | None, training: bool
    ) -> Tensor:
        """Outputs [K, B, C] of x, [B, *features] or [K, B, *features]."""
        del buffers, dropout, training
        return dense(weights, "output", x.flatten(-self._row))

    def trace(self, weights: Views, buffers: Views, x: Tensor, dropout: Masks | None) -> Trace:
        """A pass in training, with its gradient by hand."""
        del buffers
        return dense_layers(
            x.flatten(-self._row), self.activation, dropout, tuple(weights.values())
        )
