"""Rows of numbers that come in batches, of which there are never two whole copies."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SEGMENT_BYTES = 1 << 26
"""Larger than what C libraries keep for themselves once it is freed (32 MiB at most)."""


class RowBuffer:
    """Rows of float64, appended block by block.

    They lie in segments, and memory that is not yet written to costs nothing.
    """

    def __init__(self, columns: int) -> None:
        self._columns = columns
        self._segment_rows = max(1, SEGMENT_BYTES // (8 * max(columns, 1)))
        self._segments: list[NDArray[np.float64]] = []
        self._rows = 0

    def append(self, block: NDArray[np.float64]) -> None:
        """Adds rows [n, columns]."""
        start = 0
        while start < len(block):
            place = self._rows % self._segment_rows
            if place == 0:
                self._segments.append(np.empty((self._segment_rows, self._columns)))
            part = block[start : start + self._segment_rows - place]
            self._segments[-1][place : place + len(part)] = part
            start, self._rows = start + len(part), self._rows + len(part)

    def rows(self) -> NDArray[np.float64]:
        """All rows [N, columns]; the buffer is empty afterwards."""
        rows = np.empty((self._rows, self._columns))
        for index in range(len(self._segments)):
            start = index * self._segment_rows
            part = rows[start : start + self._segment_rows]
            part[:] = self._segments[index][: len(part)]
            self._segments[index] = np.empty((0, self._columns))
        self._segments, self._rows = [], 0
        return rows
