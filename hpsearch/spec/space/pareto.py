"""The Pareto front: what no other beats in every objective."""

from __future__ import annotations

from collections.abc import Mapping


def pareto_front(points: Mapping[int, tuple[float, ...]]) -> list[int]:
    """The keys of the points that none dominates, in their order; all objectives are minimised.

    A point dominates another when it is nowhere worse and somewhere better, so of equal points
    each is on the front.
    """
    front: list[tuple[float, ...]] = []
    # In lexical order nothing that comes later dominates what came before.
    for point in sorted(set(points.values())):
        if not any(all(a <= b for a, b in zip(other, point, strict=True)) for other in front):
            front.append(point)
    best = set(front)
    return [key for key, point in points.items() if point in best]
