"""How many different values a column has, in bounded memory: k minimum values.

Every value has a hash, a number drawn evenly from [0, 2^64) as it were, the same in every file and
process. The k smallest different hashes are kept. Up to k different values the count is exact;
beyond, the k-th smallest hash says how densely they lie (Bar-Yossef et al. 2002; Beyer et al.
2007, the unbiased estimate (k - 1) / x_k, whose relative error is about 1 / sqrt(k)).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hpsearch.training.uploads.text_shapes import string_buffers

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK_BYTES = 1 << 20
_BASE = np.uint64(0x9E3779B97F4A7C15)


class DistinctCounter:
    """Counts different values by their hashes."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._smallest: NDArray[np.uint64] = np.zeros(0, dtype=np.uint64)
        self._pending: list[NDArray[np.uint64]] = []
        self._pending_count = 0
        self._is_full = False

    def add(self, hashes: NDArray[np.uint64]) -> None:
        """Counts values of these hashes [N]."""
        if self._is_full:
            hashes = hashes[hashes < self._smallest[-1]]
        self._pending.append(hashes)
        self._pending_count += len(hashes)
        if self._pending_count >= self._size:
            self._merge()

    @property
    def is_exact(self) -> bool:
        """Whether there are no more different values than the counter has room for."""
        self._merge()
        return not self._is_full

    def count(self) -> int:
        """The number of different values; an estimate if there are very many."""
        if self.is_exact:
            return len(self._smallest)
        return round((self._size - 1) * 2.0**64 / float(self._smallest[-1]))

    def _merge(self) -> None:
        if not self._pending_count:
            return
        hashes = np.concatenate([self._smallest, *self._pending])
        hashes.sort()
        union = hashes[np.concatenate([[True], hashes[1:] != hashes[:-1]])]
        self._is_full = self._is_full or len(union) > self._size
        self._smallest = union[: self._size].copy()
        self._pending, self._pending_count = [], 0


def number_hashes(values: NDArray[np.float64]) -> NDArray[np.uint64]:
    """Hashes [N] of numbers [N]; equal numbers have equal ones, 0 and -0 too."""
    return _mix((values + 0.0).view(np.uint64))


def text_hashes(texts: pa.Array) -> NDArray[np.uint64]:
    """Hashes [N] of strings without null: the polynomial of their bytes, mixed."""
    offsets, data = string_buffers(texts)
    hashes = np.zeros(len(texts), dtype=np.uint64)
    first = 0
    while first < len(texts):
        # A block at a time, as the polynomial takes 24 bytes for each of the texts'.
        last = int(np.searchsorted(offsets, offsets[first] + BLOCK_BYTES, side="right")) - 1
        last = min(max(last, first + 1), len(texts))
        ends = offsets[first : last + 1]
        hashes[first:last] = _polynomials(data[ends[0] : ends[-1]], ends - ends[0])
        first = last
    return _mix(hashes)


def _polynomials(data: NDArray[np.uint8], offsets: NDArray[np.int64]) -> NDArray[np.uint64]:
    """For each text the sum of (byte + 1) · BASE^place, modulo 2^64."""
    lengths = np.diff(offsets)
    places = np.arange(len(data)) - np.repeat(offsets[:-1], lengths)
    powers = np.full(int(lengths.max(initial=0)) + 1, _BASE)
    powers[0] = 1
    terms = (data.astype(np.uint64) + np.uint64(1)) * np.multiply.accumulate(powers)[places]
    totals = np.concatenate([np.zeros(1, np.uint64), np.cumsum(terms, dtype=np.uint64)])
    difference: NDArray[np.uint64] = totals[offsets[1:]] - totals[offsets[:-1]]
    return difference


def _mix(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of SplitMix64 (Steele et al. 2014), which spreads every bit over all."""
    bits = bits + _BASE
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
