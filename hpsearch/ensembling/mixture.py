"""The weights under which a mixture of distributions explains best what was seen."""

from __future__ import annotations

import numpy as np

from hpsearch.ensembling.scores import SMALLEST_SHARE, Floats
from hpsearch.ensembling.simplex import least_quadratic

NEWTON_STEPS = 100
PRECISION = 1e-9
"""By how much the log loss of fitted weights may be above the least one."""
SMALLEST_STEP = 1e-9
"""Share of a Newton step; where not even this much of it helps, rounding is all that is left."""
LEAST_KEPT = 1e-4
"""Share of what the slope promises that a step must bring (Armijo 1966)."""


def mixture_weights(shares: Floats) -> Floats:
    """The weights w [M] ≥ 0 of sum 1 with the least −mean log Σ w p.

    With R = p/Σ w p the gradient is −mean(R) and the curvature RRᵀ/N; each of Newton's steps is the
    least quadratic under the constraints (Kim et al. 2020, "A fast algorithm for maximum likelihood
    estimation of mixture proportions"). They end once max mean(R) − 1 is nothing, as the loss is
    above the least one by no more than that.

    Args:
        shares: p [M, N], what each member gives to what was seen; rows on which none gives anything
            have no say.
    """
    shares = shares[:, shares.max(axis=0) > SMALLEST_SHARE]
    count, rows = shares.shape
    weights = np.full(count, 1 / count)
    if not rows:
        return weights
    for _ in range(NEWTON_STEPS):
        ratios = shares / np.maximum(weights @ shares, SMALLEST_SHARE)
        promises = ratios.mean(axis=1)
        if promises.max() - 1 <= PRECISION:
            break
        # ½ (u − w)·H(u − w) − promises·(u − w) up to a constant, as H w = promises.
        towards = least_quadratic(ratios @ ratios.T / rows, 2 * promises, weights)
        step = _step(shares, weights, towards - weights, promises)
        if not step:
            break
        weights = weights + step * (towards - weights)
    return weights


def _step(shares: Floats, weights: Floats, way: Floats, promises: Floats) -> float:
    """The first of 1, ½, ¼, ... of the way that keeps enough of the promise; 0 where none does."""
    before, promised = _loss(shares, weights), float(promises @ way)
    step = 1.0
    while step >= SMALLEST_STEP:
        if _loss(shares, weights + step * way) <= before - LEAST_KEPT * step * promised:
            return step
        step /= 2
    return 0.0


def _loss(shares: Floats, weights: Floats) -> float:
    return -float(np.log(np.maximum(weights @ shares, SMALLEST_SHARE)).mean())
