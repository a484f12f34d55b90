"""Losses: each maps outputs to one number per row, so that no trial's loss knows of another's.

K   trials    B   rows    C   classes, or 1 for numbers
outputs [K, B, C]; targets [B] shared by all trials or [K, B], int64 for classes; smoothing [K],
the share of a target that is spread evenly over the classes → losses [K, B].

Losses of numbers take classes as one-hot vectors.
"""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F  # noqa: N812 (its customary name)
from torch import Tensor

from hpsearch.spec.language.family import load_object
from hpsearch.spec.losses import LOSSES

Loss = Callable[[Tensor, Tensor, Tensor | None], Tensor]


def loss_named(name: str) -> Loss:
    """The function of a loss in the table `hpsearch.spec.losses.LOSSES`."""
    loss: Loss = load_object(LOSSES[name].implementation)
    return loss


def target_outputs(outputs: Tensor, targets: Tensor, smoothing: Tensor | None) -> Tensor:
    """What the outputs should be, [K, B, C]: numbers, or one-hot vectors, perhaps smoothed."""
    if targets.is_floating_point():
        return targets.unsqueeze(-1).expand(outputs.shape)
    ones = F.one_hot(targets, outputs.shape[-1]).to(outputs.dtype)
    if smoothing is not None:
        share = smoothing.view(-1, 1, 1)
        ones = ones * (1 - share) + share / outputs.shape[-1]
    return ones.expand(outputs.shape)


def cross_entropy(outputs: Tensor, targets: Tensor, smoothing: Tensor | None) -> Tensor:
    """−Σ target·log softmax(outputs)."""
    # Over the middle axis: with few classes, softmax over the last one is many times slower.
    scores = outputs.transpose(1, 2).log_softmax(1)
    labels = targets.expand(scores.shape[0], scores.shape[2]).unsqueeze(1)
    losses = -scores.gather(1, labels).squeeze(1)
    if smoothing is None:
        return losses
    share = smoothing.unsqueeze(1)
    return (1 - share) * losses - share * scores.mean(1)


def hinge(outputs: Tensor, targets: Tensor, smoothing: Tensor | None) -> Tensor:
    """Σ over wrong classes of max(0, 1 + output − the target's output) (Weston & Watkins 1999)."""
    del smoothing
    labels = targets.expand(outputs.shape[:2]).unsqueeze(-1)
    margins = (outputs - outputs.gather(-1, labels) + 1).clamp(min=0)
    return margins.sum(-1) - 1  # the target's own margin is 1


def bce(outputs: Tensor, targets: Tensor, smoothing: Tensor | None) -> Tensor:
    """Mean over classes of −t·log σ(output) − (1 − t)·log σ(−output)."""
    expected = target_outputs(outputs, targets, smoothing)
    return F.binary_cross_entropy_with_logits(outputs, expected, reduction="none").mean(-1)


def mse(outputs: Tensor, targets: Tensor, smoothing: Tensor | None) -> Tensor:
    """Mean over outputs of (output − target)²."""
    return (outputs - target_outputs(outputs, targets, smoothing)).square().mean(-1)


def l1(outputs: Tensor, targets: Tensor, smoothing: Tensor | None) -> Tensor:
    """Mean over outputs of |output − target|."""
    return (outputs - target_outputs(outputs, targets, smoothing)).abs().mean(-1)


def huber(outputs: Tensor, targets: Tensor, smoothing: Tensor | None) -> Tensor:
    """Mean over outputs of ½d² where |d| < 1, else |d| − ½ (Huber 1964)."""
    expected = target_outputs(outputs, targets, smoothing)
    return F.huber_loss(outputs, expected, reduction="none").mean(-1)


def half_squared(outputs: Tensor, targets: Tensor, smoothing: Tensor | None) -> Tensor:
    """½ times the sum over outputs of (output − target)²."""
    return (outputs - target_outputs(outputs, targets, smoothing)).square().sum(-1) / 2
