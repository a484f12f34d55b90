"""Convolution, norm, activation and pooling, several times over, then fully connected."""

from __future__ import annotations

from torch import Tensor

from hpsearch.errors import TrainingFailed
from hpsearch.spec.model import Cnn as CnnSpec
from hpsearch.training.models.activations import ACTIVATIONS
from hpsearch.training.models.base import Shapes, Trace, Views, traced
from hpsearch.training.models.convolution import convolve, pool
from hpsearch.training.models.dense import dense
from hpsearch.training.models.dropout import Masks
from hpsearch.training.models.norm import norm_buffers, norm_shapes, normalize


class Cnn:
    """Dropout acts on what enters a fully connected layer: the flattened maps, and `units`."""

    def __init__(self, spec: CnnSpec, features: tuple[int, ...], outputs: int) -> None:
        self.init = spec.init
        self.activation: str = spec.activation
        self._spec = spec
        self._act = ACTIVATIONS[spec.activation]
        self._layers = [f"layers.{i}" for i in range(len(spec.sizes))]
        shapes: dict[str, tuple[int, ...]] = {}
        buffers: dict[str, tuple[int, ...]] = {}
        channels, height, width = features
        for name, filters in zip(self._layers, spec.sizes, strict=True):
            shapes |= {
                f"{name}.weight": (filters, channels, spec.kernel, spec.kernel),
                f"{name}.bias": (filters,),
            }
            shapes |= norm_shapes(spec.norm, name, filters)
            buffers |= norm_buffers(spec.norm, name, filters)
            channels, (height, width) = filters, _sides(spec, name, (height, width))
        inputs = channels * height * width
        if spec.units:
            shapes |= {"units.weight": (inputs, spec.units), "units.bias": (spec.units,)}
            inputs = spec.units
        shapes |= {"output.weight": (inputs, outputs), "output.bias": (outputs,)}
        self.shapes: Shapes = shapes
        self.buffers: Shapes = buffers

    def forward(
        self, weights: Views, buffers: Views, x: Tensor, dropout: Masks | None, training: bool
    ) -> Tensor:
        """Outputs [K, B, C] of x, [B, *features] or [K, B, *features]."""
        spec = self._spec
        for name in self._layers:
            x = convolve(weights, name, x, stride=spec.stride, padding=spec.padding)
            x = self._act(normalize(spec.norm, weights, buffers, name, x, training))
            x = pool(x, spec.pool)
        hidden = x.flatten(2)
        if dropout is not None:
            hidden = dropout(hidden)
        if spec.units:
            hidden = self._act(dense(weights, "units", hidden))
            if dropout is not None:
                hidden = dropout(hidden)
        return dense(weights, "output", hidden)

    def trace(self, weights: Views, buffers: Views, x: Tensor, dropout: Masks | None) -> Trace:
        """A pass in training over weights that require gradients, with its gradient by autograd."""
        return traced(weights, lambda: self.forward(weights, buffers, x, dropout, True))


def _sides(spec: CnnSpec, name: str, sides: tuple[int, int]) -> tuple[int, int]:
    """Height and width of a layer's pooled maps."""
    if spec.padding == "valid" and min(sides) < spec.kernel:
        raise TrainingFailed(
            f"task.model.kernel must be at most the map's side under valid padding, got "
            f"{spec.kernel} for a map of {sides[0]} by {sides[1]} at {name}; "
            "use padding same or fewer layers"
        )
    lost = 0 if spec.padding == "same" else spec.kernel - 1
    height, width = (-(-(side - lost) // spec.stride) for side in sides)
    if min(height, width) < spec.pool:
        return height, width
    return height // spec.pool, width // spec.pool
