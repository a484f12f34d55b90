"""How likely it is that the best trials lie where they do though a parameter does not matter.

Then which trials are best has nothing to do with their places: each choice of `kept` among `tried`
is as likely as any other. The chances count such choices, so they hold for every design.
"""

from __future__ import annotations

from math import comb, erfc, sqrt


def chance_of_span(tried: int, kept: int, span: int) -> float:
    """P(the kept trials lie within `span` neighbours or fewer), trials in order of place.

    Σ_{s=kept..span} (tried − s + 1) · C(s − 2, kept − 2) / C(tried, kept): the first and the last
    of s neighbours are kept, and kept − 2 of those between them.

    Args:
        tried: all trials.
        kept: the best of them, at least 2.
        span: how many lie from the first to the last of the kept, both included.
    """
    ways = sum((tried - s + 1) * comb(s - 2, kept - 2) for s in range(kept, span + 1))
    return ways / comb(tried, kept)


def chance_of_ranks(tried: int, kept: int, total: float) -> float:
    """P(the ranks of the kept sum to `total` or more), ranks from 1 to `tried`: Mann & Whitney's.

    By the normal distribution of the same mean kept·(tried + 1)/2 and variance
    kept·(tried − kept)·(tried + 1)/12.
    """
    mean = kept * (tried + 1) / 2
    deviation = sqrt(kept * (tried - kept) * (tried + 1) / 12)
    return erfc((total - mean) / (deviation * sqrt(2))) / 2


def chance_of_none(tried: int, kept: int, special: int) -> float:
    """P(none of the kept is among `special` ones of all)."""
    return comb(tried - special, kept) / comb(tried, kept)
