"""Quadratic functions and their least value over weights that are at least 0 and add up to 1."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hpsearch.ensembling.measure import Floats

RIDGE = 1e-10
"""Added to the diagonal, as a share of its mean: members that are equal share their weight."""
PRECISION = 1e-9
"""The decrease that a weight must offer, as a share of the largest slope, to be used again."""


def minimize_quadratic(curvature: Floats, linear: Floats, start: Floats) -> Floats:
    """The weights w [M] with the least ½ w·Gw − c·w among w ≥ 0, Σw = 1.

    A primal active-set method, as of Lawson & Hanson 1974 for least squares: on the weights in use
    the minimum is a linear system; a step towards it ends where a weight reaches 0, which then
    leaves; once it is reached, the weight that decreases the function most comes in.

    Args:
        curvature: G [M, M], symmetric and positive semidefinite.
        linear: c [M].
        start: weights to begin with, of the same set.

    Returns:
        [M].
    """
    count = len(linear)
    scale = float(np.trace(curvature)) / count or 1.0
    curvature = curvature + RIDGE * scale * np.eye(count)
    weights = start.copy()
    used = weights > 0
    for _ in range(10 * count + 10):
        best = _equality_minimum(used, curvature, linear)
        falling = used & (best < 0)
        if falling.any():
            reach = weights[falling] / (weights[falling] - best[falling])
            step = float(reach.min())
            weights += step * (best - weights)
            out = np.flatnonzero(falling)[reach <= step]
            weights[out] = 0.0
            used[out] = False
            continue
        weights = best
        slopes = curvature @ weights - linear
        decrease = slopes[used].min() - slopes
        decrease[used] = 0.0
        if decrease.max() <= PRECISION * max(np.abs(slopes).max(), scale):
            break
        used[decrease.argmax()] = True
    weights /= weights.sum()
    return weights


def _equality_minimum(used: NDArray[np.bool_], curvature: Floats, linear: Floats) -> Floats:
    """The minimum over weights that add up to 1 and are 0 where not used, whatever their sign."""
    indices = np.flatnonzero(used)
    both = np.linalg.solve(
        curvature[np.ix_(indices, indices)],
        np.stack([linear[indices], np.ones(len(indices))], axis=1),
    )
    free, unit = both.T
    weights = np.zeros(len(linear))
    weights[indices] = free + (1 - free.sum()) / unit.sum() * unit
    return weights
