"""Sums over the batches and steps of an epoch, kept on the device and read once at its end."""

from __future__ import annotations

import torch
from torch import Tensor

from hpsearch.training.tasks.base import BatchResult
from hpsearch.training.update.clipping import ClipResult


class EpochMetrics:
    """Sums [K] over an epoch; means over rows weigh each batch by its rows.

    Args:
        weights: [K, P]; says K, dtype and device.
    """

    def __init__(self, weights: Tensor) -> None:
        zeros = torch.zeros(weights.shape[0], dtype=weights.dtype, device=weights.device)
        self._loss, self._penalty, self._norm = zeros, zeros.clone(), zeros.clone()
        self._hits = torch.zeros_like(zeros, dtype=torch.long)
        self._clipped = torch.zeros_like(self._hits)
        self._rows = self._steps = 0
        self._counts_hits = False

    def add_batch(self, result: BatchResult) -> None:
        """Adds a batch's losses [K, B] and hits [K]."""
        self._loss += result.losses.sum(1)
        if result.hits is not None:
            self._hits += result.hits
            self._counts_hits = True
        self._rows += result.losses.shape[1]

    def add_step(self, clipped: ClipResult) -> None:
        """Adds a step's gradient norms and whether they were clipped, [K]."""
        self._norm += clipped.norm
        self._clipped += clipped.clipped
        self._steps += 1

    def add_penalty(self, penalty: Tensor | None, rows: int) -> None:
        """Adds the regulariser [K] that stood beside the loss of so many rows."""
        if penalty is not None:
            self._penalty += penalty * rows

    def metrics(self) -> dict[str, Tensor]:
        """Means over the epoch, each [K]; `train_accuracy` only where batches count hits."""
        means = {
            "train_loss": self._loss / self._rows,
            "grad_norm": self._norm / self._steps,
            "clip_fraction": self._clipped.double() / self._steps,
        }
        if self._counts_hits:
            means["train_accuracy"] = self._hits.double() / self._rows
        return means

    @property
    def penalty(self) -> Tensor:
        """The regulariser's mean over the epoch, [K]."""
        return self._penalty / self._rows
