"""Tests on ranks, which no outlier, scale or divergence can mislead.

Each answers with a p-value:

    share_p          are the best too often in a part of the trials?    hypergeometric, one-sided
    groups_p         do groups of trials differ in rank?                Kruskal & Wallis 1952
    lower_p          is one group lower than another?                   Mann & Whitney 1947
    holm_corrected   several p-values compared with one level           Holm 1979
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import groupby


def share_p(trials: int, part: int, best: int, both: int) -> float:
    """P(X ≥ both) when `best` of the trials are drawn at random and X of them lie in the part.

    Args:
        trials: how many there are.
        part: how many lie in the part.
        best: how many count as best.
        both: how many of those lie in the part.
    """
    return min(
        1.0,
        math.fsum(
            math.exp(
                _log_choose(part, k)
                + _log_choose(trials - part, best - k)
                - _log_choose(trials, best)
            )
            for k in range(max(both, best - (trials - part)), min(part, best) + 1)
        ),
    )


def groups_p(groups: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Whether groups differ in rank: the p-value, and the share of the ranks' variance explained.

    H = 12/(N(N+1))·Σ R_g²/n_g − 3(N+1), divided by 1 − Σ(t³−t)/(N³−N) for ties of t, against χ²
    with one degree of freedom fewer than there are groups; explained is (H − G + 1)/(N − G).
    """
    pooled = sorted((value, index) for index, group in enumerate(groups) for value in group)
    total = len(pooled)
    sums, ties, rank = [0.0] * len(groups), 0, 0
    for _, equals in groupby(pooled, key=lambda pair: pair[0]):
        members = [index for _, index in equals]
        for index in members:
            sums[index] += rank + (len(members) + 1) / 2
        ties += len(members) ** 3 - len(members)
        rank += len(members)
    free = total**3 - total
    if ties == free:
        return 1.0, 0.0
    h = 12 / (total * (total + 1)) * math.fsum(
        rank_sum**2 / len(group) for rank_sum, group in zip(sums, groups, strict=True)
    ) - 3 * (total + 1)
    h = max(0.0, h / (1 - ties / free))
    more = len(groups) - 1
    explained = (h - more) / (total - len(groups)) if total > len(groups) else 0.0
    return chi2_tail(h, more), min(1.0, max(0.0, explained))


def lower_p(group: Sequence[float], rest: Sequence[float]) -> float:
    """Whether a group's values are lower than the rest's: Mann & Whitney's test, one-sided.

    1 where either is empty.
    """
    if not group or not rest:
        return 1.0
    p, _ = groups_p([group, rest])
    wins = math.fsum(
        bisect_left(ordered, value) + bisect_right(ordered, value)
        for ordered in [sorted(rest)]
        for value in group
    )
    return p / 2 if wins < len(group) * len(rest) else 1 - p / 2


def chi2_tail(x: float, freedom: int) -> float:
    """P(χ² > x): Q(a + 1, y) = Q(a, y) + yᵃ·e⁻ʸ/Γ(a + 1) with y = x/2, up to a = freedom/2."""
    y = x / 2
    a = 0.5 if freedom % 2 else 1.0
    tail = math.erfc(math.sqrt(y)) if freedom % 2 else math.exp(-y)
    while a < freedom / 2:
        if y > 0:
            tail += math.exp(a * math.log(y) - y - math.lgamma(a + 1))
        a += 1
    return min(1.0, tail)


def holm_corrected(values: Sequence[float]) -> list[float]:
    """P-values that may each be compared with one level, in their order: Holm's step-down."""
    order = sorted(range(len(values)), key=values.__getitem__)
    largest, result = 0.0, [1.0] * len(values)
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(values) - rank) * values[index]))
        result[index] = largest
    return result


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
