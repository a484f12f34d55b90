"""Tell slow waves from fast ones: a task of one's own for hpsearch, with two models to choose from.

N: rows        T: moments of a wave        x [N, T, 1], y [N] with 0 for slow and 1 for fast
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from hpsearch.training.tasks.plugin import PluginTask

MOMENTS = 24


def task(params: Mapping[str, Any], seed: int) -> PluginTask:
    """The task for a trial's params: `rows`, `noise` and `model`, which is a gru or a cnn."""
    generator = torch.Generator().manual_seed(seed)
    rows, noise = params.get("rows", 400), params.get("noise", 0.5)
    return PluginTask(
        model=lambda: MODELS[params["model"]["kind"]](**params["model"]),
        train=waves(rows, noise, generator),
        validation=waves(rows // 2, noise, generator),
        test=waves(rows // 2, noise, generator),
        loss=nn.CrossEntropyLoss(reduction="none"),
        metrics={"accuracy": accuracy, "recall": recall},
    )


def waves(rows: int, noise: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Sines of 1 to 2 (slow) or 2 to 3 (fast) periods, at any phase, with normal noise added."""
    fast = torch.randint(0, 2, (rows,), generator=generator)
    periods = 1 + fast + torch.rand(rows, generator=generator)
    phase = torch.rand(rows, generator=generator)
    time = torch.linspace(0, 1, MOMENTS)
    clean = torch.sin(2 * math.pi * (periods[:, None] * time + phase[:, None]))
    noisy = clean + noise * torch.randn(rows, MOMENTS, generator=generator)
    return noisy.unsqueeze(-1), fast


class Recurrent(nn.Module):
    """A GRU, and a read-out of its last state."""

    def __init__(self, units: int, kind: str = "gru") -> None:
        del kind
        super().__init__()
        self.gru = nn.GRU(1, units, batch_first=True)
        self.output = nn.Linear(units, 2)

    def forward(self, x: Tensor) -> Tensor:
        """Scores [B, 2] of x [B, T, 1]."""
        states, _ = self.gru(x)
        scores: Tensor = self.output(states[:, -1])
        return scores


class Convolutional(nn.Module):
    """Convolution, batch norm, dropout, the largest over time, read-out."""

    def __init__(self, filters: int, dropout: float = 0.0, kind: str = "cnn") -> None:
        del kind
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv1d(1, filters, 7, padding=3),
            nn.BatchNorm1d(filters),
            nn.ReLU(),
            nn.Dropout(dropout),
        )
        self.output = nn.Linear(filters, 2)

    def forward(self, x: Tensor) -> Tensor:
        """Scores [B, 2] of x [B, T, 1]."""
        scores: Tensor = self.output(self.body(x.transpose(1, 2)).amax(-1))
        return scores


MODELS = {"gru": Recurrent, "cnn": Convolutional}


def accuracy(scores: Tensor, y: Tensor) -> Tensor:
    """The fraction of waves that are classified right."""
    return (scores.argmax(1) == y).double().mean()


def recall(scores: Tensor, y: Tensor) -> Tensor:
    """The fraction of fast waves that are classified as fast."""
    return ((scores.argmax(1) == 1) & (y == 1)).sum() / (y == 1).sum()
