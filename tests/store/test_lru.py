"""A bounded cache gives back what it holds, and drops what was used least recently."""

from __future__ import annotations

from hpsearch.store.lru import LruCache


def test_a_value_is_made_once_and_held() -> None:
    cache: LruCache[str, list[int]] = LruCache(2)
    first = cache.get_or_make("a", lambda: [1])
    assert cache.get_or_make("a", lambda: [2]) is first
    assert cache.get("a") is first


def test_the_least_recently_used_goes_first() -> None:
    cache: LruCache[str, int] = LruCache(2)
    cache.put("a", 1)
    cache.put("b", 2)
    assert cache.get("a") == 1
    cache.put("c", 3)
    assert [cache.get(key) for key in "abc"] == [1, None, 3]
