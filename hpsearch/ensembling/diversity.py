"""How much the members of an ensemble differ: without difference nothing is gained."""

from __future__ import annotations

import numpy as np

from hpsearch.ensembling.predictions import Numbers


def disagreement(members: Numbers, of_classes: bool) -> float | None:
    """How much the members [M, N, C] differ; none for fewer than two.

    Classes: the share of rows on which two members name another class, mean over all pairs. A row
    on which n_c members name class c has Σ n_c (n_c − 1) / (M (M − 1)) of its pairs agree.
    Numbers: the root of the members' mean squared distance from their mean, in the target's unit;
    its square is what the mean's squared error is below the members' (Krogh & Vedelsby 1995).
    """
    count, rows, outputs = members.shape
    if count < 2:
        return None
    if not of_classes:
        return float(np.sqrt(np.var(members, axis=0, dtype=np.float64).mean()))
    named = np.zeros((rows, outputs))
    for member in members:
        named[np.arange(rows), member.argmax(axis=-1)] += 1
    agreeing = (named * (named - 1)).sum(axis=-1)
    return float(1 - agreeing.mean() / (count * (count - 1)))
