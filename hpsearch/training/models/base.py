"""What a model is to the engine: named shapes, and a forward pass over K trials at once.

K   trials        B   rows        C   outputs
A model holds no numbers. Its weights and running statistics come as views [K, *shape] of the
group's matrices, so one forward pass computes every trial, and no trial sees another's numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol, TypeAlias

import torch
from torch import Tensor

from hpsearch.spec.model import Init
from hpsearch.training.models.dropout import Masks

Shapes: TypeAlias = Mapping[str, tuple[int, ...]]
Views: TypeAlias = Mapping[str, Tensor]


class Trace(NamedTuple):
    """What a training step needs of a model."""

    outputs: Tensor
    """[K, B, C], without a graph."""
    backward: Callable[[Tensor], Sequence[Tensor]]
    """From a gradient of the outputs to those of the weights, in their order."""


class Model(Protocol):
    """A family's member, made from its spec, the shape of a row, and the number of outputs."""

    shapes: Shapes
    """Weights by name, in the order in which the input meets them."""
    buffers: Shapes
    """Running statistics by name: kept with the weights, never optimized."""
    init: Init
    activation: str
    """Decides the gain of initial weights."""

    def forward(
        self, weights: Views, buffers: Views, x: Tensor, dropout: Masks | None, training: bool
    ) -> Tensor:
        """Outputs [K, B, C] of x, [B, *features] shared by all trials or [K, B, *features].

        In training, running statistics in `buffers` are updated in place.
        """
        ...

    def trace(self, weights: Views, buffers: Views, x: Tensor, dropout: Masks | None) -> Trace:
        """A pass in training over weights that require gradients, and its way back."""
        ...


def dropout_rate(model: object) -> float:
    """The share of units that a resolved model spec leaves out; 0 where it has no such field."""
    return float(getattr(model, "dropout", 0.0))


def traced(weights: Views, forward: Callable[[], Tensor]) -> Trace:
    """The trace of a pass over weights that require gradients, by autograd."""
    with torch.enable_grad():
        outputs = forward()
    leaves = tuple(weights.values())
    return Trace(outputs.detach(), lambda grad: torch.autograd.grad([outputs], leaves, [grad]))
