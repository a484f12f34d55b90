"""A bounded cache for what is expensive to make and can be made again."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

from cachetools import LRUCache

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class LruCache(Generic[K, V]):
    """Up to `size` values by key; the one used least recently goes first. Safe between threads.

    >>> squares = LruCache[int, int](100)
    >>> squares.get_or_make(3, lambda: 3 * 3)
    9
    """

    def __init__(self, size: int) -> None:
        self._values: LRUCache[K, V] = LRUCache(size)
        self._lock = Lock()

    def get(self, key: K) -> V | None:
        """The value under a key; none where it is not held."""
        with self._lock:
            return self._values.get(key)

    def put(self, key: K, value: V) -> None:
        """Puts a value under a key, in the place of the one before."""
        with self._lock:
            self._values[key] = value

    def get_or_make(self, key: K, make: Callable[[], V]) -> V:
        """The value under a key, made where it is not held.

        The key must name everything that the value depends on. Two threads that ask at once may
        both make a value; either is right.
        """
        value = self.get(key)
        if value is None:
            value = make()
            self.put(key, value)
        return value
