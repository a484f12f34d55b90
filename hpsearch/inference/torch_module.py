"""A trained model as plain modules of `torch.nn`, with no tensors but its own.

Models compute many trials at once while they train; these modules compute one, from `torch.nn`
alone, so that they can be traced and exported. A new model kind has one builder more here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 (its customary name)
from torch import Tensor, nn

from hpsearch.spec import model as specs
from hpsearch.training.models.norm import EPS

Tensors = Mapping[str, Tensor]
"""Weights and running statistics by name, as a checkpoint has them."""

ACTIVATIONS: Mapping[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "identity": nn.Identity,
}


def plain_model(spec: specs.Model, tensors: Tensors) -> nn.Module:
    """A model with given tensors.

    Args:
        spec: of the model, resolved.
        tensors: its weights and running statistics, all of one dtype.

    Returns:
        A module in evaluation mode: standardised rows [N, *features] → outputs [N, C].
    """
    return BUILDERS[type(spec)](spec, tensors).eval()


def _linear(_: specs.Linear, tensors: Tensors) -> nn.Module:
    return nn.Sequential(nn.Flatten(), _dense(tensors, "output"))


def _mlp(spec: specs.Mlp, tensors: Tensors) -> nn.Module:
    parts: list[nn.Module] = [nn.Flatten()]
    for i in range(len(spec.sizes)):
        name = f"layers.{i}"
        parts += [_dense(tensors, name), *_norm(spec.norm, tensors, name, nn.BatchNorm1d)]
        parts.append(ACTIVATIONS[spec.activation]())
    return nn.Sequential(*parts, _dense(tensors, "output"))


def _cnn(spec: specs.Cnn, tensors: Tensors) -> nn.Module:
    parts: list[nn.Module] = []
    for i in range(len(spec.sizes)):
        name = f"layers.{i}"
        parts.append(_convolution(tensors, name, spec.stride, spec.padding))
        parts += [*_norm(spec.norm, tensors, name, nn.BatchNorm2d), ACTIVATIONS[spec.activation]()]
        parts.append(_Pool(spec.pool))
    parts.append(nn.Flatten())
    if spec.units:
        parts += [_dense(tensors, "units"), ACTIVATIONS[spec.activation]()]
    return nn.Sequential(*parts, _dense(tensors, "output"))


def _resnet(spec: specs.Resnet, tensors: Tensors) -> nn.Module:
    blocks = (spec.depth - 2) // 6
    parts = [_layer(tensors, "stem", 1), nn.ReLU()]
    parts += [
        _Block(tensors, f"blocks.{i}", 2 if i and i % blocks == 0 else 1) for i in range(3 * blocks)
    ]
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), _dense(tensors, "output"))


BUILDERS: Mapping[type[Any], Callable[..., nn.Module]] = {
    specs.Linear: _linear,
    specs.Mlp: _mlp,
    specs.Cnn: _cnn,
    specs.Resnet: _resnet,
}
"""The builder of each kind of model."""


class _Pool(nn.Module):
    """The largest of each window; maps smaller than the window stay as they are."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size

    def forward(self, maps: Tensor) -> Tensor:
        """[N, C, H, W] → [N, C, ⌊H / size⌋, ⌊W / size⌋]."""
        return maps if min(maps.shape[-2:]) < self._size else F.max_pool2d(maps, self._size)


class _Block(nn.Module):
    """Two convolutions and a shortcut without weights."""

    def __init__(self, tensors: Tensors, name: str, stride: int) -> None:
        super().__init__()
        self.first = _layer(tensors, f"{name}.first", stride)
        self.second = _layer(tensors, f"{name}.second", 1)
        self._stride = stride

    def forward(self, maps: Tensor) -> Tensor:
        """[N, C, H, W] → [N, C', H', W']."""
        inner: Tensor = self.second(torch.relu(self.first(maps)))
        shortcut = maps[..., :: self._stride, :: self._stride]
        missing = inner.shape[1] - shortcut.shape[1]
        return torch.relu(inner + F.pad(shortcut, (0, 0, 0, 0, 0, missing)))


def _layer(tensors: Tensors, name: str, stride: int) -> nn.Sequential:
    return nn.Sequential(
        _convolution(tensors, name, stride, "same"),
        *_norm("batch", tensors, name, nn.BatchNorm2d),
    )


def _dense(tensors: Tensors, name: str) -> nn.Module:
    weight = tensors[f"{name}.weight"].T
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    return _with_tensors(layer, weight=weight, bias=tensors[f"{name}.bias"])


def _convolution(tensors: Tensors, name: str, stride: int, padding: str) -> nn.Module:
    """Padded as in training: one more after than before for even kernels."""
    weight, bias = tensors[f"{name}.weight"], tensors.get(f"{name}.bias")
    outputs, inputs, height, width = weight.shape
    is_even = padding == "same" and not (height % 2 and width % 2)
    around = 0 if is_even or padding == "valid" else (height // 2, width // 2)
    layer = nn.Conv2d(inputs, outputs, (height, width), stride, around, bias=bias is not None)
    _with_tensors(layer, **{"weight": weight} | ({} if bias is None else {"bias": bias}))
    if not is_even:
        return layer
    sides = ((width - 1) // 2, width // 2, (height - 1) // 2, height // 2)
    return nn.Sequential(nn.ZeroPad2d(sides), layer)


def _norm(
    kind: str, tensors: Tensors, name: str, batch: Callable[..., nn.Module]
) -> list[nn.Module]:
    """The layer's normalisation, if it has one."""
    if kind == "none":
        return []
    scale, shift = tensors[f"{name}.norm.scale"], tensors[f"{name}.norm.shift"]
    if kind == "layer":
        return [_with_tensors(nn.GroupNorm(1, len(scale), EPS), weight=scale, bias=shift)]
    mean, var = tensors[f"{name}.norm.mean"], tensors[f"{name}.norm.var"]
    layer = batch(len(scale), EPS)
    return [_with_tensors(layer, weight=scale, bias=shift, running_mean=mean, running_var=var)]


def _with_tensors(module: nn.Module, **tensors: Tensor) -> nn.Module:
    """Copies tensors into a module's parameters and buffers, and returns it."""
    module.to(next(iter(tensors.values())).dtype)
    with torch.no_grad():
        for name, tensor in tensors.items():
            getattr(module, name).copy_(tensor)
    return module
