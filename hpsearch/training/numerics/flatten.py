"""A trial's row of numbers and its named tensors: one is the other, flattened."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from hpsearch.errors import CorruptArtifact
from hpsearch.training.numerics.layout import Layout


def unflatten(layout: Layout, row: Tensor) -> dict[str, Tensor]:
    """The tensors of a row [P], each a copy of its own."""
    return {name: view[0].clone() for name, view in layout.views(row.unsqueeze(0)).items()}


def flatten(layout: Layout, tensors: Mapping[str, Tensor]) -> Tensor:
    """The row [P] of named tensors.

    Raises:
        CorruptArtifact: when names or shapes are not the layout's.
    """
    expected = {entry.name: entry.shape for entry in layout}
    if {name: tuple(tensor.shape) for name, tensor in tensors.items()} != expected:
        raise CorruptArtifact(
            "a checkpoint's tensors must be those of the trial's model, but names or shapes "
            "differ; start the trial from the beginning"
        )
    return torch.cat([tensors[name].flatten() for name in layout.names] or [torch.empty(0)])
