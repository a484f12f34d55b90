"""Which class an ensemble names, where rare classes count more than by their rows.

A mean of probabilities names a rare class less often than its members do: they rarely agree on the
same rows, so that few means pass one half. Metrics that look at the named classes, such as f1, fall
by that alone, however well the mean orders the rows. Factors of the classes' probabilities make up
for it: with them the validation rows are named each class as often as they have it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpsearch.ensembling.measure import Floats

STEPS = 200
"""Of the search for the factors of more than two classes."""


def fit_label_factors(probabilities: Floats, targets: NDArray[Any]) -> Floats | None:
    """Factors under which each class is named for as many of the rows as are of it.

    Of two classes there is one threshold between them, halfway between the two rows that it parts.
    Of more, each factor grows while its class is named too seldom and shrinks while too often; the
    factors with the fewest rows too many are taken.

    Args:
        probabilities: [N, C].
        targets: [N], indices of the true classes.

    Returns:
        [C], with sum 1; none where the likeliest classes are named as often already.
    """
    classes = probabilities.shape[1]
    wanted = np.bincount(targets, minlength=classes)
    if not _surplus(probabilities, np.ones(classes), wanted):
        return None
    if classes == 2:
        threshold = _threshold(probabilities[:, 1], int(wanted[1]))
        return np.array([threshold, 1 - threshold])
    return _search(probabilities, wanted)


def named_classes(probabilities: Floats, factors: Floats | None) -> NDArray[np.int64]:
    """The class of the largest probability times factor, [..., N]; of equal ones the first."""
    weighted = probabilities if factors is None else probabilities * factors
    labels: NDArray[np.int64] = weighted.argmax(axis=-1)
    return labels


def _threshold(probability: Floats, count: int) -> float:
    """What `count` rows are above."""
    ordered = np.concatenate([[1.0], np.sort(probability)[::-1], [0.0]])
    return float((ordered[count] + ordered[count + 1]) / 2)


def _search(probabilities: Floats, wanted: NDArray[np.int64]) -> Floats:
    logs = np.zeros(len(wanted))
    best, fewest = logs, _surplus(probabilities, np.ones(len(wanted)), wanted)
    for step in range(STEPS):
        labels = named_classes(probabilities, np.exp(logs))
        named = np.bincount(labels, minlength=len(wanted))
        logs = logs + np.log((wanted + 1) / (named + 1)) / (2 + 0.1 * step)
        logs -= logs.mean()
        surplus = _surplus(probabilities, np.exp(logs), wanted)
        if surplus < fewest:
            best, fewest = logs, surplus
    factors = np.exp(best)
    return np.asarray(factors / factors.sum())


def _surplus(probabilities: Floats, factors: Floats, wanted: NDArray[np.int64]) -> int:
    """Rows that are named a class which is named often enough without them."""
    named = np.bincount(named_classes(probabilities, factors), minlength=len(wanted))
    return int(np.maximum(named - wanted, 0).sum())
