"""An array in an archive, unpacked in pieces and never pickled.

Its header is read first: type and shape are known before anything of their size is made. Values
lie row by row, or in Fortran's order, in which NumPy saves transposed arrays and many DataFrames.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from hpsearch.spec.language.messages import format_value
from hpsearch.training.uploads.archive import Archive, ArchiveMember
from hpsearch.training.uploads.read_options import first_line, invalid_upload

BLOCK_BYTES = 1 << 22
"""Unpacked at once, or one row where that is larger."""

SUFFIX = ".npy"


@dataclass(frozen=True)
class NpyMember:
    """An array as its header says, whose values have not been unpacked."""

    archive: Archive
    member: ArchiveMember
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    is_fortran: bool
    header_bytes: int

    @property
    def name(self) -> str:
        """What it was saved as."""
        return self.member.name.removesuffix(SUFFIX)

    def check(self, kinds: str = "biufU") -> None:
        """Refuses an array of values that nothing can be learned from.

        Args:
            kinds: NumPy's letters of the kinds of types that are allowed.

        Raises:
            InvalidInput: naming the array.
        """
        if self.dtype.hasobject:
            raise invalid_upload(
                f"{self.member.name} holds Python objects, which are pickled and never read; "
                "save numbers or text (array.astype(str))"
            )
        if self.dtype.kind not in kinds or not self.dtype.itemsize:
            raise invalid_upload(
                f"{self.member.name} must hold numbers or text, and it holds {self.dtype}; "
                "convert it with astype"
            )
        needed = math.prod(self.shape) * self.dtype.itemsize
        present = self.member.size_bytes - self.header_bytes
        if needed != present:
            raise invalid_upload(
                f"{self.member.name} must have {needed} bytes of values for {list(self.shape)}, "
                f"and it has {present}; send the whole file"
            )

    def pieces(self, entries: int) -> Iterator[NDArray[Any]]:
        """Values in the order in which they lie, in flat pieces.

        Args:
            entries: in a piece; the last one may have fewer.
        """
        left = math.prod(self.shape)
        with self.archive.open(self.member) as file:
            file.read(self.header_bytes)
            while left:
                count = min(entries, left)
                content = file.read(count * self.dtype.itemsize)
                if len(content) < count * self.dtype.itemsize:
                    raise invalid_upload(f"{self.member.name} is cut off; send the whole file")
                values = np.frombuffer(content, self.dtype)
                yield values.astype(self.dtype.newbyteorder("="), copy=False)
                left -= count
            file.read(1)  # whoever packs ends with a checksum, which is compared at the end

    def row_blocks(self) -> Iterator[NDArray[Any]]:
        """Blocks of rows in order; an array in Fortran's order is one block."""
        row_entries = math.prod(self.shape[1:])
        if self.is_fortran and len(self.shape) > 1:
            yield self.whole()
            return
        rows = max(1, BLOCK_BYTES // max(row_entries * self.dtype.itemsize, 1))
        for piece in self.pieces(rows * row_entries):
            yield piece.reshape(-1, *self.shape[1:])

    def columns(self) -> Iterator[tuple[int, NDArray[Any]]]:
        """Of [N, columns] in Fortran's order pieces of columns: which one, and its next values."""
        rows, most = self.shape[0], max(1, BLOCK_BYTES // self.dtype.itemsize)
        if rows <= most:
            # Small columns come several in a piece.
            at_once = most // rows
            for index, piece in enumerate(self.pieces(at_once * rows)):
                for offset, values in enumerate(piece.reshape(-1, rows)):
                    yield index * at_once + offset, values
            return
        done = 0
        for piece in self.pieces(most):
            start = 0
            while start < len(piece):
                column, row = divmod(done, rows)
                values = piece[start : start + rows - row]
                yield column, values
                start, done = start + len(values), done + len(values)

    def whole(self) -> NDArray[Any]:
        """All values, [N, ...], without a second copy of them."""
        flat = np.empty(math.prod(self.shape), self.dtype.newbyteorder("="))
        done = 0
        for piece in self.pieces(max(1, BLOCK_BYTES // self.dtype.itemsize)):
            flat[done : done + len(piece)] = piece
            done += len(piece)
        return flat.reshape(self.shape, order="F" if self.is_fortran else "C")


def npy_member(archive: Archive, member: ArchiveMember) -> NpyMember:
    """An array of an archive, of which the header alone is unpacked.

    Raises:
        InvalidInput: when it is no array.
    """
    with archive.open(member) as file:
        counted = _Counted(file)
        try:
            version = npy.read_magic(counted)
            read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            shape, is_fortran, dtype = read(counted)
        except (ValueError, EOFError, SyntaxError, TypeError, TokenError, MemoryError) as error:
            raise invalid_upload(
                f"{member.name} must be a NumPy array, and it is not ({first_line(error)})"
            ) from None
    if any(size < 0 for size in shape):
        raise invalid_upload(f"{member.name} must have a shape, got {format_value(list(shape))}")
    return NpyMember(archive, member, tuple(shape), dtype, is_fortran, counted.read_bytes)


class _Counted:
    """A file whose read bytes are counted."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.read_bytes = 0

    def read(self, size_bytes: int = -1, /) -> bytes:
        content: bytes = self._file.read(size_bytes)
        self.read_bytes += len(content)
        return content
