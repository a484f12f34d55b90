"""Batch and layer normalisation with each trial's own scale, shift and running statistics.

hidden [K, B, U] for units, [K, B, U, H, W] for maps; scale, shift, mean and var are [K, U].
Batch norm takes its statistics over rows and map positions; layer norm over units (and map
positions) of a row.

Sources: Ioffe & Szegedy 2015; Ba, Kiros & Hinton 2016; torch.nn.BatchNorm2d, GroupNorm(1, U).
"""

from __future__ import annotations

import torch
from torch import Tensor

from hpsearch.training.models.base import Shapes, Views

EPS = 1e-5
MOMENTUM = 0.1
"""Weight of the newest batch in the running statistics, torch's default."""


def norm_shapes(kind: str, name: str, units: int) -> Shapes:
    """The weights that a layer's normalisation adds."""
    if kind == "none":
        return {}
    return {f"{name}.norm.scale": (units,), f"{name}.norm.shift": (units,)}


def norm_buffers(kind: str, name: str, units: int) -> Shapes:
    """The running statistics that a layer's normalisation adds."""
    if kind != "batch":
        return {}
    return {f"{name}.norm.mean": (units,), f"{name}.norm.var": (units,)}


def normalize(
    kind: str, weights: Views, buffers: Views, name: str, hidden: Tensor, training: bool
) -> Tensor:
    """The layer's normalisation, or `hidden` itself when the kind is none."""
    if kind == "none":
        return hidden
    wide = (*hidden.shape[:1], 1, hidden.shape[2], *(1,) * (hidden.dim() - 3))
    if kind == "batch":
        over = (1, *range(3, hidden.dim()))
        if training:
            var, mean = torch.var_mean(hidden, dim=over, correction=0)
            _follow(buffers, name, mean, var, hidden.numel() // mean.numel())
        else:
            mean, var = buffers[f"{name}.norm.mean"], buffers[f"{name}.norm.var"]
        mean, var = mean.view(wide), var.view(wide)
    else:
        over = tuple(range(2, hidden.dim()))
        var, mean = torch.var_mean(hidden, dim=over, correction=0, keepdim=True)
    scale, shift = weights[f"{name}.norm.scale"], weights[f"{name}.norm.shift"]
    return (hidden - mean) * (var + EPS).rsqrt() * scale.view(wide) + shift.view(wide)


def _follow(buffers: Views, name: str, mean: Tensor, var: Tensor, count: int) -> None:
    """Moves the running statistics towards a batch's; its variance unbiased, as torch's."""
    unbiased = var.detach() * (count / max(count - 1, 1))
    buffers[f"{name}.norm.mean"].lerp_(mean.detach(), MOMENTUM)
    buffers[f"{name}.norm.var"].lerp_(unbiased, MOMENTUM)
