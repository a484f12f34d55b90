"""Sums over the batches of an epoch, kept on the device and read once at its end."""

from __future__ import annotations

import torch
from torch import Tensor

from hpsearch.training.tasks.base import Outcome


class Tally:
    """Weighted by rows where a mean over rows is meant; each sum is [K]."""

    def __init__(self, weights: Tensor) -> None:
        """Zeros for the K rows of weights [K, P]."""
        zeros = torch.zeros(weights.shape[0], dtype=weights.dtype, device=weights.device)
        self._loss, self._penalty, self._norm = zeros, zeros.clone(), zeros.clone()
        self._hits = torch.zeros_like(zeros, dtype=torch.long)
        self._rows = self._steps = 0
        self._counts_hits = False

    def add(self, outcome: Outcome, norm: Tensor, penalty: Tensor | None) -> None:
        """One step: its losses [K, B], gradient norms [K] and regulariser [K]."""
        rows = outcome.losses.shape[1]
        self._loss += outcome.losses.detach().sum(1)
        self._norm += norm
        if penalty is not None:
            self._penalty += penalty * rows
        if outcome.hits is not None:
            self._hits += outcome.hits
            self._counts_hits = True
        self._rows += rows
        self._steps += 1

    def metrics(self) -> dict[str, Tensor]:
        """Means over the epoch, each [K]."""
        found = {
            "train_loss": self._loss / self._rows,
            "grad_norm": self._norm / self._steps,
        }
        if self._counts_hits:
            found["train_accuracy"] = self._hits.double() / self._rows
        return found

    @property
    def penalty(self) -> Tensor:
        """The regulariser's mean over the epoch, [K]."""
        return self._penalty / self._rows
