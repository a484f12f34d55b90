"""Metrics of predicted numbers, in the target's own unit; the conventions are scikit-learn's."""

from __future__ import annotations

import torch
from torch import Tensor

from hpsearch.training.numerics.outputs import NumberOutputs

SMALLEST_TARGET = torch.finfo(torch.float64).eps
"""What smaller targets count as where they divide."""


def rmse(outputs: NumberOutputs) -> Tensor:
    """Root of the mean squared error, [K]."""
    return outputs.errors.square().mean(-1).sqrt()


def mae(outputs: NumberOutputs) -> Tensor:
    """Mean absolute error, [K]."""
    return outputs.errors.abs().mean(-1)


def mape(outputs: NumberOutputs) -> Tensor:
    """Mean of |error| / |target|, [K]: 0.1 is 10 %; a target of 0 counts as SMALLEST_TARGET."""
    return (outputs.errors.abs() / outputs.targets.abs().clamp(min=SMALLEST_TARGET)).mean(-1)


def r2(outputs: NumberOutputs) -> Tensor:
    """1 − squared error / squared distance from the targets' mean, [K]; NaN for equal targets."""
    targets = outputs.targets
    spread = (targets - targets.mean()).square().sum()
    differ = (targets != targets[:1]).any()  # the mean of equal ones may be rounded
    return torch.where(differ, 1 - outputs.errors.square().sum(-1) / spread, torch.nan)
