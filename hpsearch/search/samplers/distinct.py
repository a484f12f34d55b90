"""Never the same configuration twice while there are others.

In a space of finitely many configurations a draw that was there before is drawn again; when that
fails `REDRAWS` times, it is the next unused configuration after a random one. Once all are
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


def unused_index(grid: Grid, used: Collection[int], rng: np.random.Generator) -> int:
    """The index of a configuration that is not used, near a random one; there must be one."""
    return next_unused(grid, used, min(int(rng.random() * grid.size), grid.size - 1))


def next_unused(grid: Grid, used: Collection[int], index: int) -> int:
    """The first index from one on that is not used, from the start again after the last."""
    while index in used:
        index = (index + 1) % grid.size
    return index


class DistinctDraws:
    """A sequence of draws without repeats, remembered as far as it was asked for.

    Args:
        grid: all configurations.
        draw: a configuration from a random generator.
        generator: the random generator of the n-th draw.
        used: configurations that were there before the first draw.
    """

    def __init__(
        self,
        grid: Grid,
        draw: Callable[[np.random.Generator], Mapping[str, Value]],
        generator: Callable[[int], np.random.Generator],
        used: Iterable[Mapping[str, Value]] = (),
    ) -> None:
        self._grid = grid
        self._draw = draw
        self._generator = generator
        self._used = {grid.index_of(params) for params in used}
        self._drawn: list[int] = []
        """The grid's index of each draw."""

    def __getitem__(self, n: int) -> dict[str, Value]:
        while len(self._drawn) <= n:
            index = self._next(self._generator(len(self._drawn)))
            self._used.add(index)
            self._drawn.append(index)
        return self._grid.at(self._drawn[n])

    def _next(self, rng: np.random.Generator) -> int:
        if len(self._used) >= self._grid.size:
            self._used.clear()
        for _ in range(REDRAWS):
            index = self._grid.index_of(self._draw(rng))
            if index not in self._used:
                return index
        return unused_index(self._grid, self._used, rng)


class DistinctPoints:
    """A fixed sequence of configurations without repeats, remembered as far as it was asked for.

    Args:
        grid: all configurations.
        point: the n-th configuration of the sequence.
        used: configurations that were there before the first.
    """

    def __init__(
        self,
        grid: Grid,
        point: Callable[[int], Mapping[str, Value]],
        used: Iterable[Mapping[str, Value]] = (),
    ) -> None:
        self._grid = grid
        self._point = point
        self._used = {grid.index_of(params) for params in used}
        self._indices: list[int] = []
        """The grid's index of each configuration."""

    def __getitem__(self, n: int) -> dict[str, Value]:
        while len(self._indices) <= n:
            if len(self._used) >= self._grid.size:
                self._used.clear()
            index = self._grid.index_of(self._point(len(self._indices)))
            index = next_unused(self._grid, self._used, index)
            self._used.add(index)
            self._indices.append(index)
        return self._grid.at(self._indices[n])
