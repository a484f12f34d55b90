"""Parquet as batches of typed columns, of which only those asked for are unpacked."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hpsearch.training.uploads import bounds
from hpsearch.training.uploads.read_options import first_line, invalid_upload
from hpsearch.training.uploads.table_source import Batch, no_rows

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

BATCH_BYTES = 1 << 24
"""Of a batch, with 8 bytes for each number."""

MAX_BATCH_ROWS = 1 << 15

SMALL_BYTES = 1 << 23
"""Columns of text whose part of a row group is no larger are read as dictionaries. A larger one has
mostly different texts, and Arrow would keep all of them to find the equal ones."""

PAGE_BUFFER_BYTES = 1 << 16
"""Read at once of a column's packed bytes, in place of all that a row group has of it."""


class ParquetSource:
    """The rows of a Parquet file.

    Raises:
        InvalidInput: when it is damaged, or would unpack to too much.
    """

    first_row = 1
    is_european = False

    def __init__(self, path: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._path = path
        with _damage_named(), pq.ParquetFile(path) as file:
            about = file.metadata
            unpacked = sum(about.row_group(i).total_byte_size for i in range(about.num_row_groups))
            size = max(unpacked, 8 * about.num_rows * about.num_columns)
            if size > bounds.MAX_UNPACKED_BYTES:
                raise _too_large(f"says {size}")
            self._rows = about.num_rows
            self._row_bytes = unpacked // max(about.num_rows, 1)
            schema = file.schema_arrow
            packed = _chunk_bytes(about)
        self.names: tuple[str, ...] = tuple(schema.names)
        self._dictionaries = [
            field.name
            for field in schema
            if _is_text(field.type) and packed.get(field.name, 0) <= SMALL_BYTES
        ]
        self.unread: Mapping[str, str] = {
            field.name: str(field.type)
            for field in schema
            if pa.types.is_nested(field.type) or _is_binary(field.type)
        }
        self.notes: tuple[str, ...] = ()

    def batches(self, columns: Collection[str] | None = None) -> Iterator[Batch]:
        """The rows in order, batch by batch, in the types of the file.

        Args:
            columns: the columns that are wanted; all that can be read unless given.

        Raises:
            InvalidInput: when the file is damaged, holds no row, or texts become too long.
        """
        import pyarrow.parquet as pq

        wanted = [
            name
            for name in self.names
            if name not in self.unread and (columns is None or name in columns)
        ]
        if not self._rows:
            raise no_rows()
        row_bytes = max(8 * len(wanted), self._row_bytes, 1)
        rows = max(1, min(MAX_BATCH_ROWS, BATCH_BYTES // row_bytes))
        text_bytes = 0
        with (
            _damage_named(),
            pq.ParquetFile(
                self._path,
                # A text that is repeated a million times stays one until it is used.
                read_dictionary=self._dictionaries,
                buffer_size=PAGE_BUFFER_BYTES,
                pre_buffer=False,
            ) as file,
        ):
            for batch in file.iter_batches(rows, columns=wanted, use_threads=False):
                found = {name: batch.column(name) for name in wanted}
                lengths = _text_bytes(found)
                text_bytes += lengths
                if text_bytes > bounds.MAX_UNPACKED_BYTES:
                    raise _too_large("does not")
                # The reader of a dictionary writes its texts out: no more than a batch at a time.
                parts = max(1, min(batch.num_rows, lengths // BATCH_BYTES))
                step = -(-batch.num_rows // parts)
                for start in range(0, batch.num_rows, step):
                    yield {name: cells.slice(start, step) for name, cells in found.items()}


def _chunk_bytes(about: pq.FileMetaData) -> dict[str, int]:
    """How many bytes each column has in the row group where it has the most."""
    sizes: dict[str, int] = {}
    for group in map(about.row_group, range(about.num_row_groups)):
        for chunk in map(group.column, range(group.num_columns)):
            size = max(sizes.get(chunk.path_in_schema, 0), chunk.total_uncompressed_size)
            sizes[chunk.path_in_schema] = size
    return sizes


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    types = pa.types
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _is_binary(kind: pa.DataType) -> bool:
    import pyarrow as pa

    types = pa.types
    return bool(
        types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_fixed_size_binary(kind)
        or types.is_binary_view(kind)
    )


def _text_bytes(cells: Mapping[str, pa.Array]) -> int:
    """How many bytes the texts of a batch's dictionaries have once each is written out."""
    import pyarrow as pa
    import pyarrow.compute as pc

    total = 0
    for column in cells.values():
        if pa.types.is_dictionary(column.type) and _is_text(column.type.value_type):
            lengths = pc.binary_length(column.dictionary)
            total += pc.sum(lengths.cast(pa.int64()).take(column.indices)).as_py() or 0
    return total


def _too_large(what: str) -> Exception:
    return invalid_upload(
        f"a file must unpack to at most {bounds.MAX_UNPACKED_BYTES} bytes, and this one {what}; "
        "send less"
    )


@contextmanager
def _damage_named() -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise invalid_upload(
            f"the file must be whole Parquet, and it is not ({first_line(error)})"
        ) from None
