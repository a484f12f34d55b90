"""Never the same configuration twice while there are others.

In a space of finitely many configurations a draw that was there before is drawn again; when that
fails `REDRAWS` times, the next unused configuration after a random place is taken. Once all are
used, the next round begins.

Draw n depends on the draws before it and on n, so whoever asks, and in whatever order, gets the
same.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

import numpy as np

from hpsearch.spec.language.distributions import Value
from hpsearch.spec.space.grid import Grid

REDRAWS = 16


def unused_place(grid: Grid, used: Collection[int], rng: np.random.Generator) -> int:
    """A place that is not used, near a random one; there must be one."""
    place = min(int(rng.random() * grid.size), grid.size - 1)
    while place in used:
        place = (place + 1) % grid.size
    return place


class DistinctDraws:
    """A sequence of draws without repeats, remembered as far as it was asked for.

    Args:
        grid: all configurations.
        draw: a configuration from a random generator.
        generator: the random generator of the n-th draw.
        taken: what was used before the first draw.
    """

    def __init__(
        self,
        grid: Grid,
        draw: Callable[[np.random.Generator], Mapping[str, Value]],
        generator: Callable[[int], np.random.Generator],
        taken: Iterable[Mapping[str, Value]] = (),
    ) -> None:
        self._grid = grid
        self._draw = draw
        self._generator = generator
        self._used = {grid.place(params) for params in taken}
        self._places: list[int] = []

    def __getitem__(self, n: int) -> dict[str, Value]:
        while len(self._places) <= n:
            place = self._next(self._generator(len(self._places)))
            self._used.add(place)
            self._places.append(place)
        return self._grid.at(self._places[n])

    def _next(self, rng: np.random.Generator) -> int:
        if len(self._used) >= self._grid.size:
            self._used.clear()
        for _ in range(REDRAWS):
            place = self._grid.place(self._draw(rng))
            if place not in self._used:
                return place
        return unused_place(self._grid, self._used, rng)
