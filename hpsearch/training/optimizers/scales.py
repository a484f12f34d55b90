"""Factors of learning rate and weight decay by tensor: param_groups, no_decay, layer_decay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import torch
from torch import Tensor

from hpsearch.spec.optimizers.base import OptimizerBase
from hpsearch.training.numerics.layout import Layout


@dataclass(frozen=True)
class Scales:
    """Factors per trial and column, [K, P]; None where all are 1."""

    rate: Tensor | None
    """Factor of the learning rate."""
    decay: Tensor | None
    """Factor of the coefficient `decay`: weight decay, times the rate's where it is decoupled."""

    def keep(self, trials: Tensor) -> Scales:
        """Those of some of the trials: an index or a mask over rows."""
        return Scales(
            None if self.rate is None else self.rate[trials],
            None if self.decay is None else self.decay[trials],
        )


def scales_of(
    optimizers: Sequence[OptimizerBase],
    layout: Layout,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> Scales | None:
    """The factors of a group's trials, one optimizer each; None when all are 1.

    A glob of `param_groups` that matches no name has no effect: in a search over models, a layer
    may exist in some trials only.
    """
    rates, decays = [], []
    for optimizer in optimizers:
        rate = {name: _rate(optimizer, name, layout.names) for name in layout.names}
        rates.append(layout.columns(rate.__getitem__))
        decay = layout.columns(lambda name, of=optimizer: _decay(of, name))  # type: ignore[misc]
        decays.append(decay * rates[-1] if optimizer.decoupled else decay)
    rate_matrix, decay_matrix = torch.stack(rates), torch.stack(decays)
    if (rate_matrix == 1).all() and (decay_matrix == 1).all():
        return None
    return Scales(*(_matrix(factors, dtype, device) for factors in (rate_matrix, decay_matrix)))


def layer_of(name: str) -> str:
    """The layer that a tensor belongs to: its name up to the last number, else its first part."""
    parts = name.split(".")
    hyperparameters = [i for i, part in enumerate(parts) if part.isdigit()]
    return ".".join(parts[: hyperparameters[-1] + 1]) if hyperparameters else parts[0]


def _rate(optimizer: OptimizerBase, name: str, names: Sequence[str]) -> float:
    layers = list(dict.fromkeys(map(layer_of, names)))
    factor = optimizer.layer_decay ** (len(layers) - 1 - layers.index(layer_of(name)))
    for group in optimizer.param_groups:
        if fnmatchcase(name, group.match):
            factor *= group.lr_scale
    return factor


def _decay(optimizer: OptimizerBase, name: str) -> float:
    *path, leaf = name.split(".")
    is_norm = any(part.startswith("norm") for part in path)
    if ("bias" in optimizer.no_decay and leaf == "bias") or (
        "norm" in optimizer.no_decay and is_norm
    ):
        return 0.0
    factor = 1.0
    for group in optimizer.param_groups:
        if fnmatchcase(name, group.match):
            factor *= group.weight_decay_scale
    return factor


def _matrix(factors: Tensor, dtype: torch.dtype, device: torch.device | str) -> Tensor | None:
    return None if (factors == 1).all() else factors.to(device=device, dtype=dtype)
