"""Everything that changes while a group trains: one row per trial, in a handful of matrices.

K   trials        P   weights of one trial        Q   running statistics of one trial
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from hpsearch.training.numerics.alignment import aligned_empty
from hpsearch.training.numerics.layout import Layout


@dataclass(frozen=True)
class Copies:
    """Weights [K, P] and running statistics [K, Q] beside those in training, or a row of each."""

    weights: Tensor
    buffers: Tensor

    def keep(self, rows: Tensor) -> Copies:
        """Those of some of the trials."""
        return Copies(_rows_of(self.weights, rows), self.buffers[rows])


@dataclass(frozen=True)
class TrialState:
    """One trial's numbers, on the CPU: weights [P], buffers [Q], optimizer state and updates."""

    weights: Tensor
    buffers: Tensor
    optimizer_state: Mapping[str, Tensor]
    """As the rule keeps them, without the first axis."""
    copies: Mapping[str, Copies]
    """`ema`, `swa` and `best`, where the trial has them."""
    updates: int
    """Optimizer steps taken."""


@dataclass
class GroupState:
    """K rows side by side, ready to train."""

    layout: Layout
    buffer_layout: Layout
    weights: Tensor
    """[K, P]"""
    buffers: Tensor
    """[K, Q]"""
    optimizer_state: dict[str, Tensor]
    """Each [K, ...]."""
    updates: Tensor
    """[K, 1]"""
    copies: dict[str, Copies] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._make_views()

    def _make_views(self) -> None:
        """Sets gradients and all views, which must follow whenever the matrices are replaced."""
        self.grads = torch.zeros_like(self.weights)
        self.views = self.layout.views(self.weights)
        self.buffer_views = self.buffer_layout.views(self.buffers)
        self.leaves = {name: view.detach().requires_grad_() for name, view in self.views.items()}

    def set_gradients(self, gradients: Sequence[Tensor], *, add: bool = False) -> None:
        """Fills `grads` [K, P], or adds to it; gradients [K, *shape] in the order of the layout."""
        trials = len(self.grads)
        rows = [grad.reshape(trials, -1) for grad in gradients]
        if add:
            self.grads += torch.cat(rows, dim=1)
        else:
            torch.cat(rows, dim=1, out=self.grads)

    def views_of(self, copy: str) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """A copy's weights and running statistics by name."""
        copies = self.copies[copy]
        return self.layout.views(copies.weights), self.buffer_layout.views(copies.buffers)

    def keep(self, rows: Sequence[int]) -> None:
        """Drops all trials but those in these rows, which stay in the order given."""
        index = torch.tensor(list(rows), dtype=torch.long, device=self.weights.device)
        self.weights = _rows_of(self.weights, index)
        self.buffers = self.buffers[index]
        self.optimizer_state = {
            name: tensor[index] for name, tensor in self.optimizer_state.items()
        }
        self.copies = {name: copies.keep(index) for name, copies in self.copies.items()}
        self.updates = self.updates[index]
        self._make_views()

    def copy(self) -> GroupState:
        """A deep copy."""
        return replace(
            self,
            weights=_aligned_copy(self.weights),
            buffers=self.buffers.clone(),
            optimizer_state={name: tensor.clone() for name, tensor in self.optimizer_state.items()},
            updates=self.updates.clone(),
            copies={
                name: Copies(_aligned_copy(copies.weights), copies.buffers.clone())
                for name, copies in self.copies.items()
            },
        )

    @property
    def size_bytes(self) -> int:
        """What all matrices take, gradients too."""
        matrices = [self.weights, self.buffers, self.grads, *self.optimizer_state.values()]
        for copies in self.copies.values():
            matrices += [copies.weights, copies.buffers]
        return sum(matrix.numel() * matrix.element_size() for matrix in matrices)

    def trial(self, k: int) -> TrialState:
        """A copy of one trial's numbers."""

        def copy_row(tensor: Tensor) -> Tensor:
            return tensor[k].detach().cpu().clone()

        return TrialState(
            weights=copy_row(self.weights),
            buffers=copy_row(self.buffers),
            optimizer_state={
                name: copy_row(tensor) for name, tensor in self.optimizer_state.items()
            },
            copies={
                name: Copies(copy_row(copies.weights), copy_row(copies.buffers))
                for name, copies in self.copies.items()
            },
            updates=int(self.updates[k]),
        )


def _aligned_copy(matrix: Tensor) -> Tensor:
    """A copy of a matrix [K, P], on cache lines too."""
    return aligned_empty(tuple(matrix.shape), matrix).copy_(matrix)


def _rows_of(matrix: Tensor, rows: Tensor) -> Tensor:
    """Some rows of a matrix [K, P], on cache lines again."""
    return torch.index_select(
        matrix, 0, rows, out=aligned_empty((len(rows), matrix.shape[1]), matrix)
    )
