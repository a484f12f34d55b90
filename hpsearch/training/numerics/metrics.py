"""What a trial is judged by: outputs [K, N, C] and targets [N] or [K, N] → one number per trial.

tp, fp, fn   true positives, false positives and false negatives of a class
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from hpsearch.spec.language.family import load_object
from hpsearch.spec.language.fields import TargetKind
from hpsearch.spec.metrics import METRICS

Metric = Callable[[Tensor, Tensor], Tensor]


def metrics_for(target: TargetKind) -> dict[str, Metric]:
    """The functions of the metrics for a target by name, in the table's order; not the loss."""
    return {
        metric.name: load_object(metric.implementation)
        for metric in METRICS.values()
        if metric.implementation and target in metric.targets
    }


def predicted(outputs: Tensor) -> Tensor:
    """The class of the largest output, [K, N]; of equal ones the first."""
    return outputs.contiguous().argmax(-1)


def hits(outputs: Tensor, targets: Tensor) -> Tensor:
    """Rows whose class is the target, [K]."""
    return (predicted(outputs) == targets).sum(-1)


def accuracy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Share of rows whose class is the target, [K]."""
    return hits(outputs, targets).double() / targets.shape[-1]


def f1(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean over classes of 2tp / (2tp + fp + fn), [K].

    Classes that are neither among the targets nor among the predictions do not count.
    """
    trials, rows, classes = outputs.shape
    predictions, actual = predicted(outputs), targets.expand(trials, rows)
    index = (torch.arange(trials, device=actual.device).unsqueeze(1) * classes + actual) * classes
    pairs = torch.bincount((index + predictions).flatten(), minlength=trials * classes**2)
    pairs = pairs.view(trials, classes, classes).double()
    total = pairs.sum(1) + pairs.sum(2)
    scores = 2 * pairs.diagonal(dim1=1, dim2=2) / total.clamp(min=1)
    return scores.sum(1) / (total > 0).sum(1)


def auc(outputs: Tensor, targets: Tensor) -> Tensor:
    """Area under the ROC curve, [K]: mean over classes of each against the rest; targets [N].

    The chance that a row of the class scores above another row, ties counting half, from the
    ranks of the class's rows among all (Mann & Whitney 1947). Scores are softmax probabilities.
    Classes that hold no row, or every row, do not count; NaN when none is left.
    """
    scores = outputs.transpose(1, 2).softmax(1)
    first = 1 if scores.shape[1] == 2 else 0  # of two classes, one says it all
    scores = scores[:, first:].contiguous()
    labels = torch.arange(first, first + scores.shape[1], device=targets.device)
    is_class = targets == labels.unsqueeze(1)
    positives = is_class.sum(1)
    members = is_class.byte().argsort(dim=1, descending=True, stable=True)
    members = members[:, : int(positives.max())]
    queries = scores.gather(2, members.expand(len(scores), -1, -1))
    ordered = _sorted(scores)
    below = torch.searchsorted(ordered, queries)
    upto = torch.searchsorted(ordered, queries, right=True)
    ranks = (below + upto + 1).double() / 2
    counted = torch.arange(members.shape[1], device=members.device) < positives.unsqueeze(1)
    wins = (ranks * counted).sum(-1) - positives * (positives + 1) / 2
    negatives = len(targets) - positives
    known = (positives > 0) & (negatives > 0)
    areas = torch.where(known, wins / (positives * negatives), 0.0)
    finite = scores.isfinite().flatten(1).all(1)
    return torch.where(finite, areas.sum(-1) / known.sum(), torch.nan)


def _sorted(scores: Tensor) -> Tensor:
    """Ascending along the last axis; NumPy's sort is twenty times as fast as torch's on CPUs."""
    if scores.device.type == "cpu":
        return torch.from_numpy(np.sort(scores.numpy(), axis=-1))
    return scores.sort(-1).values


def rmse(outputs: Tensor, targets: Tensor) -> Tensor:
    """Root of the mean squared error, [K]."""
    return (outputs.squeeze(-1) - targets).square().mean(-1).sqrt()


def mae(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean absolute error, [K]."""
    return (outputs.squeeze(-1) - targets).abs().mean(-1)


def r2(outputs: Tensor, targets: Tensor) -> Tensor:
    """1 − squared error / squared distance from the targets' mean, [K]; NaN for equal targets."""
    error = (outputs.squeeze(-1) - targets).square().sum(-1)
    spread = (targets - targets.mean(-1, keepdim=True)).square().sum(-1)
    differ = (targets != targets[..., :1]).any(-1)  # the mean of equal ones may be rounded
    return torch.where(differ, 1 - error / spread, torch.nan)
