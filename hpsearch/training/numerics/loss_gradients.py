"""Losses with their gradients: by hand where it pays, else by autograd.

outputs [K, B, C] → losses [K, B] and d loss / d outputs [K, B, C]; targets and smoothing as in
`losses`.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from hpsearch.spec.language.family import load_object
from hpsearch.spec.losses import LOSSES
from hpsearch.training.numerics.losses import loss_named

Gradient = Callable[[Tensor, Tensor, Tensor | None], tuple[Tensor, Tensor]]


def cross_entropy(
    outputs: Tensor, targets: Tensor, smoothing: Tensor | None
) -> tuple[Tensor, Tensor]:
    """The gradient is softmax(outputs) − target."""
    scores = outputs.transpose(1, 2).log_softmax(1)
    trials, classes, rows = scores.shape
    labels = targets.expand(trials, rows).unsqueeze(1)
    losses = scores.gather(1, labels).squeeze(1).neg_()
    grad, hot = scores.exp(), scores.new_full((1, 1, 1), -1.0)
    if smoothing is not None:
        share = smoothing.view(-1, 1, 1)
        losses = (1 - share.squeeze(1)) * losses - share.squeeze(1) * scores.mean(1)
        grad, hot = grad - share / classes, share - 1
    grad.scatter_add_(1, labels, hot.expand(trials, 1, rows))
    return losses, grad.transpose(1, 2)


def gradient_of(name: str) -> Gradient:
    """The loss of that name with its gradient: the one written by hand, else by autograd."""
    if by_hand := LOSSES[name].gradient:
        gradient: Gradient = load_object(by_hand)
        return gradient
    loss = loss_named(name)

    def by_autograd(
        outputs: Tensor, targets: Tensor, smoothing: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            leaf = outputs.detach().requires_grad_()
            losses = loss(leaf, targets, smoothing)
            (grad,) = torch.autograd.grad(losses.sum(), leaf)
        return losses.detach(), grad

    return by_autograd
