"""Texts grouped by shape: their bytes with 0 for every digit, but FIRST_ZERO for a zero in front.

`2024-05-31` and `1999-01-02` are of one shape, `0000-00-00`. A column of numbers or dates has few,
so a regular expression is matched once for each, and the digits of all cells of a shape are taken
from the same places of their bytes. The zero in front is told apart as 0.125 is no group of
thousands, and 007 no number.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa

MOST_BYTES = 800
"""Of a number or a date, whose digits may all be written out; longer texts have no shape."""

MOST_LETTERS = 32
"""The same: of a weekday, a month, a zone and half of the day together there are fewer."""
MANY_SHAPES = 1000
"""With more, those that match no quick expression are left out."""

FIRST_ZERO = "\x01"
"""In a shape: the first digit of the text, where it is 0. Texts with this character have none."""

_SHAPE_OF_BYTE = np.arange(256, dtype=np.uint8)
_SHAPE_OF_BYTE[ord("0") : ord("9") + 1] = ord("0")
_SHAPE_OF_BYTE[ord(FIRST_ZERO)] = 2  # another control character, which no number has


class ShapedTexts:
    """Texts [N] of which those that may be numbers or dates are grouped by shape."""

    def __init__(self, texts: pa.Array, like: str) -> None:
        """Groups texts.

        Args:
            texts: an array of strings without null.
            like: a regular expression (RE2), quick to match, for shapes of interest.
        """
        import pyarrow as pa

        self._offsets, self._data = string_buffers(texts)
        digits = _running_count(self._data - np.uint8(ord("0")) < 10)
        letters = _running_count((self._data | np.uint8(32)) - np.uint8(ord("a")) < 26)
        first, last = self._offsets[:-1], self._offsets[1:]
        is_candidate = digits[last] > digits[first]
        is_candidate &= (letters[last] - letters[first] <= MOST_LETTERS) & (
            last - first <= MOST_BYTES
        )
        rows = np.flatnonzero(is_candidate)
        shape_bytes = _SHAPE_OF_BYTE[self._data]
        # The first digit is the byte after which there is one digit more than before the text.
        firsts = np.searchsorted(digits, digits[first[rows]] + 1) - 1
        shape_bytes[firsts[self._data[firsts] == ord("0")]] = ord(FIRST_ZERO)
        shapes = strings_of(self._offsets, shape_bytes)
        if len(rows) < len(texts):
            shapes = shapes.take(pa.array(rows))
        encoded = shapes.dictionary_encode()
        codes = encoded.indices.to_numpy(zero_copy_only=False)
        names = encoded.dictionary
        if len(names) > MANY_SHAPES:
            rows, codes, names = _of_interest(rows, codes, names, like)
        self.rows: NDArray[np.int64] = rows
        """Positions, ascending, of the texts that have a shape, [M]."""
        self.codes: NDArray[np.int64] = codes
        """The shape of each of them, [M]."""
        self.shapes: list[bytes] = [shape.encode() for shape in names.to_pylist()]

    def groups(self) -> Iterator[tuple[bytes, NDArray[np.int64]]]:
        """Each shape with the positions of its texts, ascending."""
        if not self.shapes:
            return
        order = np.argsort(self.codes, kind="stable")
        ends = np.cumsum(np.bincount(self.codes, minlength=len(self.shapes)))
        yield from zip(self.shapes, np.split(self.rows[order], ends[:-1]), strict=True)

    def bytes_of(self, shape: bytes, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The bytes [len(rows), len(shape)] of texts that have this shape."""
        found: NDArray[np.uint8] = self._data[
            self._offsets[rows][:, None] + np.arange(len(shape), dtype=np.int64)
        ]
        return found


def _running_count(flags: NDArray[np.bool_]) -> NDArray[np.int32]:
    """How many flags there are before each place, [len(flags) + 1]."""
    counts = np.zeros(len(flags) + 1, dtype=np.int32)
    np.cumsum(flags, out=counts[1:])
    return counts


def _of_interest(
    rows: NDArray[np.int64], codes: NDArray[Any], names: pa.Array, like: str
) -> tuple[NDArray[np.int64], NDArray[Any], pa.Array]:
    """Rows, their codes and the shapes without shapes that do not match."""
    import pyarrow.compute as pc

    matches = pc.match_substring_regex(names, like)
    flags = matches.to_numpy(zero_copy_only=False)
    found = flags[codes]
    return rows[found], (np.cumsum(flags) - 1)[codes[found]], names.filter(matches)


def string_buffers(texts: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Where each of N strings begins, [N + 1], and the bytes of all."""
    if not len(texts):
        return np.zeros(1, dtype=np.int64), np.zeros(0, dtype=np.uint8)
    _, offsets, data = texts.buffers()
    ends = np.frombuffer(offsets, dtype=np.int32)[texts.offset : texts.offset + len(texts) + 1]
    held = np.frombuffer(data, dtype=np.uint8) if data is not None else np.zeros(0, np.uint8)
    return ends.astype(np.int64) - ends[0], held[ends[0] : ends[-1]]


def strings_of(offsets: NDArray[Any], data: NDArray[np.uint8]) -> pa.Array:
    """The strings that lie between offsets [N + 1] in these bytes."""
    import pyarrow as pa

    return pa.StringArray.from_buffers(
        len(offsets) - 1,
        pa.py_buffer(np.ascontiguousarray(offsets, dtype=np.int32)),
        pa.py_buffer(np.ascontiguousarray(data)),
    )


def numbers_at(cells: NDArray[np.uint8], span: tuple[int, int]) -> NDArray[np.int64]:
    """The number [N] that the digits in one place of each cell's bytes are; 0 for no digit."""
    number = np.zeros(len(cells), dtype=np.int64)
    for place in range(*span):
        number = 10 * number + (cells[:, place].astype(np.int64) - 48)
    return number
