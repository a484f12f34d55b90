"""Initial weights: one function per kind, drawn in float64 so that precision does not change them.

fan_in, fan_out   inputs and outputs that a weight's entries feed, kernel positions included.
gain              what the activation after a layer loses; 1 for the output layer.

Sources: Glorot & Bengio 2010; He et al. 2015; Saxe et al. 2014; torch.nn.init.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from hpsearch.spec import model as specs
from hpsearch.spec.language.family import implementation
from hpsearch.spec.model import Init

GAINS: Mapping[str, float] = {
    "relu": math.sqrt(2),
    "leaky_relu": math.sqrt(2 / (1 + 0.01**2)),
    "elu": math.sqrt(2),
    "gelu": math.sqrt(2),
    "silu": math.sqrt(2),
    "tanh": 5 / 3,
    "sigmoid": 1.0,
    "identity": 1.0,
}
"""torch's gains; elu, gelu and silu, for which it names none, take relu's."""

Draw = Callable[[Init, tuple[int, ...], float, torch.Generator], Tensor]


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight: [in, out] when dense, [out, in, kh, kw] when convolutional."""
    if len(shape) == 2:
        return shape[0], shape[1]
    field = math.prod(shape[2:])
    return shape[1] * field, shape[0] * field


def _draw_normal(shape: tuple[int, ...], std: float, generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64) * std


def _draw_uniform(shape: tuple[int, ...], bound: float, generator: torch.Generator) -> Tensor:
    return (torch.rand(shape, generator=generator, dtype=torch.float64) * 2 - 1) * bound


def normal(init: Init, shape: tuple[int, ...], gain: float, generator: torch.Generator) -> Tensor:
    """Draws from N(0, std²)."""
    del gain
    return _draw_normal(shape, init.std if isinstance(init, specs.NormalInit) else 0.01, generator)


def kaiming_normal(
    init: Init, shape: tuple[int, ...], gain: float, generator: torch.Generator
) -> Tensor:
    """Draws from N(0, gain² / fan_in)."""
    del init
    return _draw_normal(shape, gain / math.sqrt(fans(shape)[0]), generator)


def kaiming_uniform(
    init: Init, shape: tuple[int, ...], gain: float, generator: torch.Generator
) -> Tensor:
    """Draws from U(−a, a), a = gain·√(3 / fan_in)."""
    del init
    return _draw_uniform(shape, gain * math.sqrt(3 / fans(shape)[0]), generator)


def xavier_normal(
    init: Init, shape: tuple[int, ...], gain: float, generator: torch.Generator
) -> Tensor:
    """Draws from N(0, gain²·2 / (fan_in + fan_out))."""
    del init
    return _draw_normal(shape, gain * math.sqrt(2 / sum(fans(shape))), generator)


def xavier_uniform(
    init: Init, shape: tuple[int, ...], gain: float, generator: torch.Generator
) -> Tensor:
    """Draws from U(−a, a), a = gain·√(6 / (fan_in + fan_out))."""
    del init
    return _draw_uniform(shape, gain * math.sqrt(6 / sum(fans(shape))), generator)


def orthogonal(
    init: Init, shape: tuple[int, ...], gain: float, generator: torch.Generator
) -> Tensor:
    """Q of a normal matrix's QR decomposition, its columns' signs made those of R's diagonal."""
    del init
    rows = shape[0]
    columns = math.prod(shape[1:])
    normal_matrix = _draw_normal((max(rows, columns), min(rows, columns)), 1.0, generator)
    q, r = torch.linalg.qr(normal_matrix)
    q = q * r.diagonal().sign()
    matrix: Tensor = q if rows >= columns else q.T
    return (gain * matrix).reshape(shape)


def zeros(init: Init, shape: tuple[int, ...], gain: float, generator: torch.Generator) -> Tensor:
    """All 0."""
    del init, gain, generator
    return torch.zeros(shape, dtype=torch.float64)


def initial_weights(
    shapes: Mapping[str, tuple[int, ...]],
    init: Init,
    activation: str,
    generator: torch.Generator,
) -> Tensor:
    """One trial's weights as a row [P]: `weight`s drawn, norm scales 1, all else 0."""
    draw: Draw = implementation(type(init))
    parts = []
    for name, shape in shapes.items():
        if name.endswith("weight"):
            gain = 1.0 if name.startswith("output.") else GAINS[activation]
            part = draw(init, shape, gain, generator)
        elif name.endswith("norm.scale"):
            part = torch.ones(shape, dtype=torch.float64)
        else:
            part = torch.zeros(shape, dtype=torch.float64)
        parts.append(part.flatten())
    return torch.cat(parts)
