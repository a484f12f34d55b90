"""Giving memory back once a file has been read: a server does so rarely and lives long."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def memory_released() -> Iterator[None]:
    """What is done inside leaves no freed memory with this process's allocators.

    Arrow's pool and glibc keep what was freed for later: some hundred megabytes after a large file.
    """
    import pyarrow as pa

    try:
        yield
    finally:
        pa.default_memory_pool().release_unused()
        with suppress(AttributeError, OSError):  # other C libraries have no such function
            ctypes.CDLL(None).malloc_trim(0)
