"""Metrics of how well probabilities order rows; NaN for trials whose outputs are no numbers."""

from __future__ import annotations

import torch
from torch import Tensor

from hpsearch.training.numerics.outputs import ClassOutputs


def auc(outputs: ClassOutputs) -> Tensor:
    """Area under the ROC curve, [K]: mean over classes of each against the rest.

    The chance that a row of the class scores above another row, ties counting half, from the
    ranks of the class's rows among all (Mann & Whitney 1947). Classes that hold no row, or every
    row, do not count; NaN when none is left. Of two classes one is enough, as the area of both is
    the same.
    """
    ranks = outputs.ranks(1 if outputs.classes == 2 else None)
    places = (ranks.below + ranks.up_to + 1).double() / 2
    positives, negatives = ranks.rows, len(outputs.targets) - ranks.rows
    wins = (places * ranks.counted).sum(-1) - positives * (positives + 1) / 2
    known = (positives > 0) & (negatives > 0)
    areas = torch.where(known, wins / (positives * negatives), 0.0)
    return torch.where(outputs.is_finite, areas.sum(-1) / known.sum(), torch.nan)


def average_precision(outputs: ClassOutputs) -> Tensor:
    """Sum over thresholds of precision times the gain in recall, [K], as scikit-learn has it.

    That is the mean over the rows of a class of the precision at their own probability: of the rows
    that are at least as probable, the share that is of the class. Of the positive class, 0 where it
    has no row; without a positive class the mean over the classes that hold rows.
    """
    ranks = outputs.ranks(outputs.positive if outputs.has_positive else None)
    own = ranks.rows.unsqueeze(1) - ranks.class_below
    everything = len(outputs.targets) - ranks.below
    precision = (own * ranks.counted / everything).sum(-1) / ranks.rows.clamp(min=1)
    classes = (ranks.rows > 0).sum().clamp(min=1)
    return torch.where(outputs.is_finite, precision.sum(-1) / classes, torch.nan)
