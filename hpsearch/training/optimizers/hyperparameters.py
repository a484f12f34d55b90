"""The hyperparameters of a group's optimizers as columns, one row per trial."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from hpsearch.spec.optimizers.base import OptimizerBase


def hyperparameters_of(
    optimizers: Sequence[OptimizerBase],
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
) -> dict[str, Tensor]:
    """Every real field (lr, momentum, beta1, eps, ...) of K resolved optimizers as [K, 1].

    They stay in float64 whatever the weights are in: 1 − beta2 loses four digits in float32.
    `weight_decay` is left out when no trial has any, which spares the rules that work. Factors by
    tensor (`layer_decay`, `param_groups`) are none of them: `scales_of` makes those.

    Args:
        optimizers: one per trial, all of one kind.
        dtype: of the columns.
        device: where the weights are.
    """
    names = [
        name
        for name in type(optimizers[0]).model_fields
        if isinstance(getattr(optimizers[0], name), float) and name != "layer_decay"
    ]
    hyperparameters = {
        name: torch.tensor(
            [[getattr(optimizer, name)] for optimizer in optimizers], dtype=dtype, device=device
        )
        for name in names
    }
    if not any(optimizer.weight_decay for optimizer in optimizers):
        del hyperparameters["weight_decay"]
    return hyperparameters
