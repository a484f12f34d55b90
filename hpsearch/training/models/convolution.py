"""A two-dimensional convolution for K trials: grouped, so that each trial meets its own maps.

Maps travel as [K, B, C, H, W]; the grouped convolution wants [B, K·C, H, W].
On CPUs a group of channels gives the bits of a lone convolution where it fills whole blocks and
there are several images; other trials, and those that share their maps, are convolved one by one.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 (its customary name)
from torch import Tensor

from hpsearch.training.models.base import Views

BLOCK = 16
"""Channels that a CPU's convolution works on at a time."""


def convolve(
    weights: Views, name: str, x: Tensor, *, stride: int = 1, padding: str = "same"
) -> Tensor:
    """Maps [K, B, O, H', W'] of x, [B, I, H, W] shared or [K, B, I, H, W].

    `same` pads with zeros to H' = ⌈H / stride⌉, one more behind than before for even kernels.
    """
    weight, bias = weights[f"{name}.weight"], weights.get(f"{name}.bias")
    trials, outputs, _, height, width = weight.shape
    groups = 1
    if x.dim() == 5:
        groups = trials
        x = x.transpose(0, 1).flatten(1, 2)
    pad: int | tuple[int, int] = 0
    if padding == "same" and height % 2 and width % 2:
        pad = (height // 2, width // 2)
    elif padding == "same":
        x = F.pad(x, ((width - 1) // 2, width // 2, (height - 1) // 2, height // 2))
    is_exact = groups > 1 and x.shape[0] > 1 and _fills(weight)
    if x.device.type == "cpu" and trials > 1 and not is_exact:
        biases = [None] * trials if bias is None else list(bias)
        parts = x.chunk(trials, 1) if groups > 1 else [x] * trials
        return torch.stack(
            [
                F.conv2d(part, filters, b, stride=stride, padding=pad)
                for part, filters, b in zip(parts, weight, biases, strict=True)
            ]
        ).to(weight.dtype)
    maps = F.conv2d(
        x,
        weight.flatten(0, 1),
        None if bias is None else bias.flatten(),
        stride=stride,
        padding=pad,
        groups=groups,
    ).to(weight.dtype)
    return maps.view(maps.shape[0], trials, outputs, *maps.shape[2:]).transpose(0, 1)


def pool(maps: Tensor, size: int) -> Tensor:
    """The largest of each size × size window; maps smaller than the window stay as they are."""
    if size == 1 or min(maps.shape[-2:]) < size:
        return maps
    pooled = F.max_pool2d(maps.flatten(0, 1), size)
    return pooled.view(*maps.shape[:2], *pooled.shape[1:])


def _fills(weight: Tensor) -> bool:
    """Whether filters [K, O, I, kh, kw] come in whole blocks."""
    return weight.shape[1] % BLOCK == 0 and weight.shape[2] % BLOCK == 0
