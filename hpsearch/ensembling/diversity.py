"""How much the members of an ensemble differ; equal members gain nothing."""

from __future__ import annotations

import numpy as np

from hpsearch.ensembling.predictions import Numbers


def disagreement(members: Numbers, is_classification: bool) -> float | None:
    """How much the members differ.

    Classes: the share of rows for which two members predict different classes, mean over all pairs.
    Where n_c members predict class c for a row, Σ n_c (n_c − 1) / (M (M − 1)) of its pairs agree.
    Numbers: the root of the members' mean squared distance from their mean, in the target's unit;
    its square is what the mean's squared error is below the members' (Krogh & Vedelsby 1995).

    Args:
        members: [M, N, C], probabilities or numbers.
        is_classification: whether they are probabilities of classes.

    Returns:
        The disagreement; none for fewer than two members.
    """
    count, rows, outputs = members.shape
    if count < 2:
        return None
    if not is_classification:
        return float(np.sqrt(np.var(members, axis=0, dtype=np.float64).mean()))
    votes = np.zeros((rows, outputs))
    for member in members:
        votes[np.arange(rows), member.argmax(axis=-1)] += 1
    agreeing = (votes * (votes - 1)).sum(axis=-1)
    return float(1 - agreeing.mean() / (count * (count - 1)))
