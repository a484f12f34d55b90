"""Losses: each maps outputs to one number per row, so that no trial's loss knows of another's.

K   trials    B   rows    C   classes, or 1 for numbers
outputs [K, B, C], targets [B] shared by all trials or [K, B] → losses [K, B].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor

Loss = Callable[[Tensor, Tensor], Tensor]


def cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    """−log softmax(outputs)[target]."""
    # Over the middle axis: with few classes, softmax over the last one is many times slower.
    scores = outputs.transpose(1, 2).log_softmax(1)
    labels = targets.expand(scores.shape[0], scores.shape[2]).unsqueeze(1)
    return -scores.gather(1, labels).squeeze(1)


def mse(outputs: Tensor, targets: Tensor) -> Tensor:
    """(output − target)²."""
    return (outputs.squeeze(-1) - targets).square()


LOSSES: Mapping[str, Loss] = {"cross_entropy": cross_entropy, "mse": mse}
