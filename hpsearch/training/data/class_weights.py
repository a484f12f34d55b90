"""Factors of the training loss by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from hpsearch.errors import TrainingFailed


def class_weights(
    weights: str | Mapping[str, float], classes: Sequence[str], y: Tensor
) -> list[float] | None:
    """A factor per class; none when all count alike.

    Args:
        weights: `none`, `balanced`, or factors by name.
        classes: all names.
        y: labels of the training rows [N].

    Balanced: N / (C·rows of the class), so that the factors' mean over rows is 1.

    Raises:
        TrainingFailed: when a name is no class's.
    """
    if weights == "none":
        return None
    if isinstance(weights, str):
        counts = torch.bincount(y, minlength=len(classes)).clamp(min=1)
        return (len(y) / (len(classes) * counts.double())).tolist()
    unknown = sorted(set(weights) - set(classes))
    if unknown:
        raise TrainingFailed(
            f"task.class_weights must name classes, and none is called '{unknown[0]}'; "
            f"use some of {', '.join(classes)}"
        )
    return [weights.get(name, 1.0) for name in classes]
