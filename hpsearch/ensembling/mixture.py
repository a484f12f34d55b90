"""The weights under which a mixture of distributions makes observations most likely."""

from __future__ import annotations

import numpy as np

from hpsearch.ensembling.measure import Floats
from hpsearch.ensembling.scores import SMALLEST_PROBABILITY
from hpsearch.ensembling.simplex import minimize_quadratic

NEWTON_STEPS = 100
PRECISION = 1e-9
"""By how much the log loss of fitted weights may be above the least one."""
SMALLEST_STEP = 1e-9
"""Share of a Newton step; where not even this much of it helps, rounding is all that is left."""
SUFFICIENT_DECREASE = 1e-4
"""Share of the decrease predicted by the slope that a step must bring (Armijo 1966)."""


def mixture_weights(likelihoods: Floats) -> Floats:
    """The weights w [M] ≥ 0 of sum 1 with the least −mean log Σ w p.

    With R = p/Σ w p the gradient is −mean(R) and the curvature RRᵀ/N; each of Newton's steps is the
    least quadratic under the constraints (Kim et al. 2020, "A fast algorithm for maximum likelihood
    estimation of mixture proportions"). They end once max mean(R) − 1 is at most `PRECISION`: the
    loss is above the least one by no more than that.

    Args:
        likelihoods: p [M, N], the probability that each member gives to a row's observation; rows
            to which no member gives any are left out.
    """
    likelihoods = likelihoods[:, likelihoods.max(axis=0) > SMALLEST_PROBABILITY]
    count, rows = likelihoods.shape
    weights = np.full(count, 1 / count)
    if not rows:
        return weights
    for _ in range(NEWTON_STEPS):
        ratios = likelihoods / np.maximum(weights @ likelihoods, SMALLEST_PROBABILITY)
        slopes = ratios.mean(axis=1)
        if slopes.max() - 1 <= PRECISION:
            break
        # ½ (u − w)·H(u − w) − slopes·(u − w) up to a constant, as H w = slopes.
        towards = minimize_quadratic(ratios @ ratios.T / rows, 2 * slopes, weights)
        step = _step(likelihoods, weights, towards - weights, slopes)
        if not step:
            break
        weights = weights + step * (towards - weights)
    return weights


def _step(likelihoods: Floats, weights: Floats, direction: Floats, slopes: Floats) -> float:
    """The first of the steps 1, ½, ¼, ... that decreases the loss enough; 0 where none does."""
    before, predicted = _loss(likelihoods, weights), float(slopes @ direction)
    step = 1.0
    while step >= SMALLEST_STEP:
        loss = _loss(likelihoods, weights + step * direction)
        if loss <= before - SUFFICIENT_DECREASE * step * predicted:
            return step
        step /= 2
    return 0.0


def _loss(likelihoods: Floats, weights: Floats) -> float:
    return -float(np.log(np.maximum(weights @ likelihoods, SMALLEST_PROBABILITY)).mean())
