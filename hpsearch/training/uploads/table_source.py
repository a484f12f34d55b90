"""A table in a file, read as batches of columns: whatever its size, one batch is in memory."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Protocol, TypeAlias

from hpsearch.training.uploads.read_options import invalid_upload

if TYPE_CHECKING:
    import pyarrow as pa

Batch: TypeAlias = "Mapping[str, pa.Array]"
"""Cells by column, equally many of each: text from CSV, typed from formats that know types."""


class TableSource(Protocol):
    """A file that holds a table; it may be read several times."""

    @property
    def names(self) -> tuple[str, ...]:
        """Its columns in order; all differ."""
        ...

    @property
    def first_row(self) -> int:
        """What people call its first row: 2 under a header, else 1."""
        ...

    @property
    def is_european(self) -> bool:
        """Whether it separates fields by semicolons, as where decimals have commas."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out, guessed or suspected of the file: a sentence each."""
        ...

    @property
    def unread(self) -> Mapping[str, str]:
        """Columns of types that nothing is learned from, such as lists: what their cells are.

        `batches` has none of them.
        """
        ...

    def batches(self, columns: Collection[str] | None = None) -> Iterator[Batch]:
        """The rows in order, batch by batch, at least one batch with a row.

        Args:
            columns: the columns that are wanted; all that can be read unless given. Others are
                not unpacked.

        Raises:
            InvalidInput: naming the row that is faulty; also when there is no row.
        """
        ...


def no_rows() -> Exception:
    """The error of a table without rows."""
    return invalid_upload("the file must have rows under its header, and it has none; add some")
