"""A training pass of a group through a plug-in's model, and the way back.

K   trials        B   rows of a batch
Each trial computes on its own, with the global generators seeded for it. Where the module can be
vectorised (`torch.vmap`: nothing random, a batching rule for every operation) the group computes
at once. Either way a trial's numbers depend on itself alone.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch
from torch import Tensor

from hpsearch.training.models.base import Views
from hpsearch.training.numerics.global_seed import global_seed
from hpsearch.training.tasks.base import Batch, BatchResult
from hpsearch.training.tasks.plugin import PyTree
from hpsearch.training.tasks.plugin_module import PluginModule
from hpsearch.training.tasks.plugin_scores import Scores
from hpsearch.training.tasks.pytree import tree_map

AGREEMENT = 1e-3
"""Relative difference of losses up to which vectorised and plain passes are the same one."""


class Pass:
    """Training passes of one plug-in's module and loss.

    Args:
        module: the structure of its model.
        scores: its loss.
        device: where to compute.
    """

    def __init__(self, module: PluginModule, scores: Scores, device: torch.device) -> None:
        self._module, self._scores, self._device = module, scores, device
        self._seeds: Sequence[int] = ()
        self._are_shared = True
        self._can_fuse: bool | None = None

    def begin(self, seeds: Sequence[int], *, are_shared: bool) -> None:
        """Must be called before each batch.

        Args:
            seeds: of what each trial draws at random, one per trial.
            are_shared: whether the trials share the batch's rows.
        """
        self._seeds, self._are_shared = seeds, are_shared

    def __call__(self, weights: Views, buffers: Views, batch: Batch, total: int) -> BatchResult:
        """Losses and gradients of a batch; buffers change in place.

        Raises:
            TrainingFailed: when the model or the loss fails.
        """
        if len(self._seeds) > 1 and self._can_fuse is None:
            self._can_fuse = self._agrees(weights, buffers, batch)
        if len(self._seeds) > 1 and self._can_fuse:
            losses, own_buffers = self._together(weights, buffers, batch)
            gradients = self._scores.gradients(losses, total, tuple(weights.values()))
            for name, view in buffers.items():
                view.copy_(own_buffers[name])
            return BatchResult(losses.detach(), None, gradients)
        losses_by_trial, gradients_by_trial = [], []
        for k, seed in enumerate(self._seeds):
            leaves = {n: view[k].detach().requires_grad_() for n, view in weights.items()}
            own_buffers = self._module.own_buffers(
                {name: view[k] for name, view in buffers.items()}
            )
            with global_seed(seed, self._device):
                losses = self._losses(leaves, own_buffers, *self._rows(batch, k), batch.rows)
                gradients_by_trial.append(
                    self._scores.gradients(losses, total, tuple(leaves.values()))
                )
            losses_by_trial.append(losses.detach())
            for name, view in buffers.items():
                view[k].copy_(own_buffers[name])
        gradients = tuple(map(torch.stack, zip(*gradients_by_trial, strict=True)))
        return BatchResult(torch.stack(losses_by_trial), None, gradients)

    def _losses(
        self, weights: Views, own_buffers: dict[str, Tensor], x: PyTree, y: PyTree, rows: int
    ) -> Tensor:
        with torch.enable_grad():
            return self._scores.losses(
                self._module(weights, own_buffers, x, training=True), y, rows
            )

    def _rows(self, batch: Batch, k: int) -> tuple[PyTree, PyTree]:
        if self._are_shared:
            return batch.x, batch.y
        x, y = tree_map(lambda leaf: leaf[k], (batch.x, batch.y))
        return x, y

    def _together(
        self, weights: Views, buffers: Views, batch: Batch
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Losses [K, B] and buffers [K, *shape] of all trials in one pass."""

        def losses_of_trial(
            weights: Views, own_buffers: dict[str, Tensor], x: PyTree, y: PyTree
        ) -> tuple[Tensor, dict[str, Tensor]]:
            own_buffers = dict(own_buffers)
            return self._losses(weights, own_buffers, x, y, batch.rows), own_buffers

        axis = None if self._are_shared else 0
        fused = torch.vmap(losses_of_trial, in_dims=(0, 0, axis, axis), randomness="error")
        losses, own_buffers = fused(
            dict(weights), self._module.own_buffers(buffers), batch.x, batch.y
        )
        return losses, own_buffers

    def _agrees(self, weights: Views, buffers: Views, batch: Batch) -> bool:
        """Whether the module can be vectorised, and gives then what it gives alone."""
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("error", message="There is a performance drop")
                together, _ = self._together(weights, buffers, batch)
        except Exception:  # noqa: BLE001 (whatever it is, the plain pass tells it better)
            return False
        for k, seed in enumerate(self._seeds):
            own_buffers = self._module.own_buffers(
                {name: view[k] for name, view in buffers.items()}
            )
            leaves = {name: view[k].detach() for name, view in weights.items()}
            with global_seed(seed, self._device):
                alone = self._losses(leaves, own_buffers, *self._rows(batch, k), batch.rows)
            if not torch.allclose(together[k], alone, rtol=AGREEMENT, atol=0, equal_nan=True):
                return False
        return True
