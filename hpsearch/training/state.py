"""Everything that changes while a group trains: one row per trial, in a handful of matrices.

K   trials        P   weights of one trial        Q   running statistics of one trial
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hpsearch.training.layout import Layout


@dataclass(frozen=True)
class Row:
    """One trial's numbers, on the CPU: weights [P], buffers [Q], optimizer state and updates."""

    weights: Tensor
    buffers: Tensor
    slots: Mapping[str, Tensor]
    """Each [P] or [1], as the rule keeps it."""
    updates: int
    """Optimizer steps taken."""


@dataclass
class State:
    """K rows side by side, ready to train."""

    layout: Layout
    buffer_layout: Layout
    weights: Tensor
    """[K, P]"""
    buffers: Tensor
    """[K, Q]"""
    slots: dict[str, Tensor]
    """Each [K, P] or [K, 1]."""
    updates: Tensor
    """[K, 1]"""

    def __post_init__(self) -> None:
        self._look()

    def _look(self) -> None:
        """Makes gradients and all views anew, after the matrices were."""
        self.grads = torch.zeros_like(self.weights)
        self.buffer_views = self.buffer_layout.views(self.buffers)
        self.leaves = {
            name: view.detach().requires_grad_()
            for name, view in self.layout.views(self.weights).items()
        }
        self._leaves = tuple(self.leaves.values())

    def backward(self, objective: Tensor) -> None:
        """Fills `grads` [K, P] with the gradient of a scalar."""
        found = torch.autograd.grad(objective, self._leaves)
        trials = len(self.grads)
        torch.cat([grad.reshape(trials, -1) for grad in found], dim=1, out=self.grads)

    def keep(self, rows: Sequence[int]) -> None:
        """Drops all other trials; the kept ones stay in the order given."""
        index = torch.tensor(list(rows), dtype=torch.long, device=self.weights.device)
        self.weights = self.weights[index]
        self.buffers = self.buffers[index]
        self.slots = {name: slot[index] for name, slot in self.slots.items()}
        self.updates = self.updates[index]
        self._look()

    def row(self, k: int) -> Row:
        """A copy of one trial's numbers."""
        return Row(
            weights=self.weights[k].detach().cpu().clone(),
            buffers=self.buffers[k].cpu().clone(),
            slots={name: slot[k].cpu().clone() for name, slot in self.slots.items()},
            updates=int(self.updates[k]),
        )
