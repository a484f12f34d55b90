"""Batch and layer normalisation with each trial's own scale, shift and running statistics.

hidden [K, B, U] for units, [K, B, U, H, W] for maps; scale, shift, mean and var are [K, U].
Batch norm takes its statistics over rows and map positions; layer norm over units (and map
positions) of a row.

Sources: Ioffe & Szegedy 2015; Ba, Kiros & Hinton 2016; torch.nn.BatchNorm2d, GroupNorm(1, U).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 (its customary name)
from torch import Tensor

from hpsearch.training.models.activations import VECTOR
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
    scale, shift = weights[f"{name}.norm.scale"], weights[f"{name}.norm.shift"]
    if kind == "batch":
        mean, var = buffers[f"{name}.norm.mean"], buffers[f"{name}.norm.var"]
        return _batch(hidden, scale, shift, mean, var, training)
    wide = (*hidden.shape[:1], 1, hidden.shape[2], *(1,) * (hidden.dim() - 3))
    plain = F.layer_norm(hidden, hidden.shape[2:], eps=EPS)
    return torch.addcmul(shift.view(wide), plain, scale.view(wide))


def _batch(
    hidden: Tensor, scale: Tensor, shift: Tensor, mean: Tensor, var: Tensor, training: bool
) -> Tensor:
    """Batch norm of all trials at once: K·U channels, each with statistics of its own."""
    trials, rows, units = hidden.shape[:3]
    if training and hidden.numel() == trials * units:
        # One value is its own mean and has no variance: the result is the shift, and running
        # statistics stay as they are (torch refuses such a batch).
        return hidden * 0 * scale.view(hidden.shape) + shift.view(hidden.shape)
    channels = hidden.transpose(0, 1).reshape(rows, trials * units, *hidden.shape[3:])
    # Units are worked on in vectors, and those left over round otherwise: there are none.
    spare = -channels.shape[1] % VECTOR if channels.dim() == 2 else 0
    wide = [F.pad(tensor.flatten(), (0, spare)) for tensor in (scale, shift, mean, var)]
    channels = F.pad(channels, (0, spare)) if spare else channels.contiguous()
    running = (wide[2].clone(), wide[3].clone())  # saved for the way back
    normed = torch.batch_norm(channels, wide[0], wide[1], *running, training, MOMENTUM, EPS, False)[
        :, : trials * units
    ]
    if training:
        mean.copy_(running[0][: mean.numel()].view(mean.shape))
        var.copy_(running[1][: var.numel()].view(var.shape))
    return normed.reshape(rows, trials, *hidden.shape[2:]).transpose(0, 1)
