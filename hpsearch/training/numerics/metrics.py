"""What a trial is judged by: the metrics of classes that count rows, and all metrics by name.

tp, fp, fn   true positives, false positives and false negatives of a class
K trials, N rows, C classes. A trial whose outputs are not all numbers has NaN for every metric.
Conventions are scikit-learn's but for what rows do not define, which is NaN here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from hpsearch.spec.language.family import load_object
from hpsearch.spec.language.fields import TargetKind
from hpsearch.spec.metrics import METRICS, metric_names
from hpsearch.training.numerics.outputs import ClassOutputs, NumberOutputs, largest

Metric = Callable[[Tensor, Tensor], Tensor]

SMALLEST_PROBABILITY = torch.finfo(torch.float64).eps
"""What smaller ones count as in a logarithm, as in scikit-learn's `log_loss`."""


def metrics_for(
    target: TargetKind, classes: Sequence[str] = (), positive: str | None = None
) -> dict[str, Metric]:
    """The functions of the metrics for a target by name, in the table's order; not the loss.

    Each is of a model's outputs [K, N, C] and targets [N], numbers in the data's own unit, to [K].
    Where all are wanted, `measure` computes what they share once.

    Args:
        target: of the data.
        classes: names of its classes; without them there are no metrics of single classes.
        positive: the positive class, one of the names.
    """

    def function(name: str) -> Metric:
        return lambda outputs, targets: measure(
            read_outputs(target, outputs, targets, classes, positive), classes, only=name
        )[name]

    return {
        name: function(name)
        for metric in METRICS.values()
        if metric.implementation and target in metric.targets
        for name in metric_names(metric, classes)
    }


def read_outputs(
    target: TargetKind,
    outputs: Tensor,
    targets: Tensor,
    classes: Sequence[str] = (),
    positive: str | None = None,
) -> ClassOutputs | NumberOutputs:
    """A model's outputs [K, N, C] and targets [N] as metrics take them; numbers have C = 1."""
    if target == "numbers":
        return NumberOutputs(outputs.squeeze(-1), targets)
    index = None if positive is None else list(classes).index(positive)
    return ClassOutputs.of_logits(outputs, targets, index)


def measure(
    outputs: ClassOutputs | NumberOutputs, classes: Sequence[str] = (), only: str | None = None
) -> dict[str, Tensor]:
    """All metrics of some outputs by name, in the table's order, each [K]; not the loss.

    Args:
        outputs: of K trials.
        classes: names of the classes; without them there are no metrics of single classes.
        only: the name of the one metric that is wanted; none for all.
    """
    target: TargetKind = "classes" if isinstance(outputs, ClassOutputs) else "numbers"
    found: dict[str, Tensor] = {}
    for metric in METRICS.values():
        names = metric_names(metric, classes)
        if not metric.implementation or target not in metric.targets:
            continue
        if not names or only not in (None, *names):
            continue
        values = load_object(metric.implementation)(outputs)
        columns = values.unbind(-1) if metric.per_class else (values,)
        found |= {n: v for n, v in zip(names, columns, strict=True) if only in (None, n)}
    return found


def hits(outputs: Tensor, targets: Tensor) -> Tensor:
    """Rows whose largest output is the target's, [K]; outputs [K, N, C], targets [N] or [K, N]."""
    return (largest(outputs) == targets).sum(-1)


def accuracy(outputs: ClassOutputs) -> Tensor:
    """Share of rows whose class is the target, [K]."""
    correct = (outputs.predicted == outputs.targets).sum(-1)
    return _of_finite(outputs, correct.double() / len(outputs.targets))


def f1_macro(outputs: ClassOutputs) -> Tensor:
    """Mean over classes of 2tp / (2tp + fp + fn), [K].

    Classes that are neither among the targets nor among the predictions do not count.
    """
    scores, total = _f1_by_class(outputs)
    return _of_finite(outputs, scores.sum(1) / (total > 0).sum(1))


def f1(outputs: ClassOutputs) -> Tensor:
    """2tp / (2tp + fp + fn) of the positive class, 0 where all three are 0, [K].

    Without a positive class `f1_macro`.
    """
    if not outputs.has_positive:
        return f1_macro(outputs)
    scores, _ = _f1_by_class(outputs)
    return _of_finite(outputs, scores[:, outputs.positive])


def recall(outputs: ClassOutputs) -> Tensor:
    """Each class's tp / (tp + fn), NaN for classes without rows, [K, C]."""
    correct, _ = outputs.hits_and_predictions
    return _of_finite(outputs, correct / outputs.rows_of_class)  # 0 / 0 is NaN


def balanced_accuracy(outputs: ClassOutputs) -> Tensor:
    """Mean of the recall over the classes that hold rows, [K]."""
    return _of_finite(outputs, recall(outputs).nanmean(1))


def mcc(outputs: ClassOutputs) -> Tensor:
    """Matthews correlation of targets and predictions, [K]; 0 where either do not vary.

    With c rows right of N, t rows of class k and p taken for it: (c·N − Σ p·t) divided by the root
    of (N² − Σ p²)(N² − Σ t²) (Gorodkin 2004, doi:10.1016/j.compbiolchem.2004.09.006).
    """
    correct, taken = outputs.hits_and_predictions
    actual = outputs.rows_of_class
    rows = float(len(outputs.targets))
    covariance = correct.sum(1) * rows - (taken * actual).sum(1)
    spread = (rows**2 - taken.square().sum(1)) * (rows**2 - actual.square().sum())
    return _of_finite(outputs, torch.where(spread > 0, covariance / spread.sqrt(), 0.0))


def log_loss(outputs: ClassOutputs) -> Tensor:
    """Mean of −log of the target's probability, at least SMALLEST_PROBABILITY, [K]."""
    index = outputs.targets.expand(len(outputs.probabilities), -1).unsqueeze(-1)
    probability = outputs.probabilities.gather(2, index).squeeze(-1).double()
    return _of_finite(outputs, -probability.clamp(min=SMALLEST_PROBABILITY).log().mean(-1))


def _f1_by_class(outputs: ClassOutputs) -> tuple[Tensor, Tensor]:
    """Each class's score and its 2tp + fp + fn, [K, C]."""
    correct, taken = outputs.hits_and_predictions
    total = taken + outputs.rows_of_class
    return 2 * correct / total.clamp(min=1), total


def _of_finite(outputs: ClassOutputs, values: Tensor) -> Tensor:
    """The values [K] or [K, C], NaN for trials whose outputs are not all numbers."""
    is_finite = outputs.is_finite
    return torch.where(is_finite.view(-1, *(1,) * (values.ndim - 1)), values, torch.nan)
