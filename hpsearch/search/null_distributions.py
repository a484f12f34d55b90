"""P-values of where the best trials lie, under the hypothesis that a parameter does not matter.

Then which trials are best has nothing to do with their values: each choice of `best` among `trials`
is as likely as any other. The p-values count such choices, so they hold for every design.
"""

from __future__ import annotations

from math import comb, erfc, sqrt


def span_p_value(trials: int, best: int, span: int) -> float:
    """P(the best trials lie within `span` neighbours or fewer), trials in order of value.

    Σ_{s=best..span} (trials − s + 1) · C(s − 2, best − 2) / C(trials, best): the first and the last
    of s neighbours are among the best, and best − 2 of those between them.

    Args:
        trials: how many there are.
        best: how many of them are the best, at least 2.
        span: how many lie from the first to the last of the best, both included.
    """
    ways = sum((trials - s + 1) * comb(s - 2, best - 2) for s in range(best, span + 1))
    return ways / comb(trials, best)


def rank_sum_p_value(trials: int, best: int, rank_sum: float) -> float:
    """P(the ranks of the best sum to `rank_sum` or more), ranks from 1 up: Mann & Whitney's test.

    By the normal distribution of the same mean best·(trials + 1)/2 and variance
    best·(trials − best)·(trials + 1)/12.
    """
    mean = best * (trials + 1) / 2
    deviation = sqrt(best * (trials - best) * (trials + 1) / 12)
    return erfc((rank_sum - mean) / (deviation * sqrt(2))) / 2


def absence_p_value(trials: int, best: int, special: int) -> float:
    """P(none of the best is among `special` of the trials): hypergeometric."""
    return comb(trials - special, best) / comb(trials, best)
