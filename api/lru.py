"""The latest few answers, kept until they are pushed out: a page and its neighbours ask alike."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

V = TypeVar("V")


class Latest(Generic[V]):
    """Up to `size` values by key, those asked for last.

    A key must name everything that its value depends on. Two threads that ask at once may both
    make a value; either is right.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._values: dict[Hashable, V] = {}

    def get(self, key: Hashable, make: Callable[[], V]) -> V:
        """The value under a key, made where it is not held."""
        value = self._values.pop(key, None)
        if value is None:
            value = make()
        self._values[key] = value
        for oldest in list(self._values)[: -self.size]:
            self._values.pop(oldest, None)
        return value
