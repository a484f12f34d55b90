"""From a trial's named tensors to its row of a group's matrix, and back."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from hpsearch.errors import CorruptArtifact
from hpsearch.training.numerics.layout import Layout


def unflatten(layout: Layout, row: Tensor) -> dict[str, Tensor]:
    """Copies of the named tensors that a row [P] holds."""
    return {name: view[0].clone() for name, view in layout.views(row.unsqueeze(0)).items()}


def flatten(layout: Layout, tensors: Mapping[str, Tensor]) -> Tensor:
    """Named tensors as a row [P], in the order of the layout.

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
