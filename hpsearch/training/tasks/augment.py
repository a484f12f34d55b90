"""Augmentations that change a row by itself: a function per kind, each on a whole batch.

`mixup` mixes rows and their targets (`mixup.py`).

T   1 where all trials share their batches, else K        B   rows
x is [T, B, C, H, W], or [T, B, ...] for kinds that do not care. A number of a trial's
(`std`, `pixels`, ...) comes as [T], so trials of one group may differ in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 (its customary name)
from torch import Tensor

from hpsearch.spec import augment as specs
from hpsearch.training.numerics.counter_rng import CounterRng

Augment = Callable[[Tensor, Sequence[Any], CounterRng], Tensor]


def _column(x: Tensor, values: Sequence[float]) -> Tensor:
    """A number per stream beside x [T, B]: [T, 1]."""
    return torch.tensor(values, dtype=x.dtype, device=x.device).unsqueeze(1)


def _per_row(x: Tensor, values: Tensor) -> Tensor:
    """A number per row, [T, B], or per stream, [T, 1], made to multiply x [T, B, ...]."""
    return values.view(*values.shape, *(1,) * (x.dim() - 2))


def _grid(x: Tensor) -> tuple[Tensor, Tensor]:
    """Row and column of every pixel: [H, 1] and [1, W]."""
    height, width = x.shape[-2:]
    return (
        torch.arange(height, device=x.device).unsqueeze(1),
        torch.arange(width, device=x.device).unsqueeze(0),
    )


def shift(x: Tensor, kinds: Sequence[specs.Shift], rng: CounterRng) -> Tensor:
    """Moves each image by whole pixels, U{−p … p} down and right."""
    reach = _column(x, [2 * kind.pixels + 1 for kind in kinds]).unsqueeze(1)
    uniform = rng.uniform(2, x.shape[1], dtype=x.dtype)
    down, right = ((uniform * reach).floor() - (reach - 1) / 2).long()[..., None, None].unbind(1)
    rows, columns = _grid(x)
    rows, columns = rows - down, columns - right
    height, width = x.shape[-2:]
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    source = rows.clamp(0, height - 1) * width + columns.clamp(0, width - 1)
    moved = x.flatten(-2).gather(-1, source.flatten(-2).unsqueeze(2).expand(*x.shape[:3], -1))
    return moved.view(x.shape) * inside.unsqueeze(2)


def flip(x: Tensor, kinds: Sequence[specs.Flip], rng: CounterRng) -> Tensor:
    """Mirrors each image with the trial's probability."""
    uniform = rng.uniform(x.shape[1], dtype=x.dtype)
    is_flipped = uniform < _column(x, [kind.probability for kind in kinds])
    mirrored = x.flip(-1 if kinds[0].axis == "horizontal" else -2)
    return torch.where(_per_row(x, is_flipped), mirrored, x)


def crop(x: Tensor, kinds: Sequence[specs.Crop], rng: CounterRng) -> Tensor:
    """Cuts a window whose sides are U(scale, 1) of the image's, and resizes it (bilinear)."""
    scale, down, right = rng.uniform(3, x.shape[1], dtype=x.dtype).unbind(1)
    least = _column(x, [kind.scale for kind in kinds])
    side = least + (1 - least) * scale
    zero = torch.zeros_like(side)
    # Window centres lie within 1 − side of the middle, in units of half an image.
    across = torch.stack([side, zero, (2 * right - 1) * (1 - side)], -1)
    along = torch.stack([zero, side, (2 * down - 1) * (1 - side)], -1)
    images = x.flatten(0, 1)
    maps = torch.stack([across, along], -2).flatten(0, 1)
    points = F.affine_grid(maps, list(images.shape), align_corners=False)
    crops = F.grid_sample(images, points, padding_mode="border", align_corners=False)
    return crops.view(x.shape)


def cutout(x: Tensor, kinds: Sequence[specs.Cutout], rng: CounterRng) -> Tensor:
    """Sets a square of each image to 0."""
    uniform = rng.uniform(2, x.shape[1], dtype=x.dtype)
    height, width = x.shape[-2:]
    top, left = (
        (uniform * uniform.new_tensor([[height], [width]])).long()[..., None, None].unbind(1)
    )
    size = _column(x, [kind.size for kind in kinds]).long()[..., None, None]
    rows, columns = (along + size // 2 for along in _grid(x))
    covered = (rows >= top) & (rows < top + size) & (columns >= left) & (columns < left + size)
    return x * ~covered.unsqueeze(2)


def noise(x: Tensor, kinds: Sequence[specs.Noise], rng: CounterRng) -> Tensor:
    """Adds normal noise."""
    std = _column(x, [kind.std for kind in kinds])
    return x + rng.normal(*x.shape[1:], dtype=x.dtype) * _per_row(x, std)
