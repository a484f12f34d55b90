"""CSV as batches of texts: one record is one row, also where a quoted field holds line ends."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpsearch.spec.language.messages import format_value
from hpsearch.training.uploads.csv_dialect import (
    DELIMITERS,
    MAX_RECORD_BYTES,
    CsvDialect,
    is_number,
    read_dialect,
)
from hpsearch.training.uploads.read_options import first_line, invalid_upload
from hpsearch.training.uploads.table_source import Batch, no_rows
from hpsearch.training.uploads.text import check_text, open_utf8

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK_BYTES = 1 << 19
"""Of text that Arrow parses at once; it reads up to 32 blocks ahead. No record may be longer."""

BATCH_BYTES = 1 << 23
"""Of texts in a batch."""

_PADDED_QUOTE = re.compile(rb'[,;\t|] +"')
"""A quoted field behind a space, which Arrow's reader takes for text with quotes in it."""


def open_csv(path: Path) -> CsvSource:
    """The table in a CSV file with a header, whatever its dialect.

    Raises:
        InvalidInput: when it is no text, or has no header.
    """
    facts = check_text(path, _PADDED_QUOTE)
    return CsvSource(
        path,
        read_dialect(path),
        has_padded_quotes=facts.is_found,
        has_odd_quotes=facts.quotes % 2 == 1,
    )


class CsvSource:
    """The records of a CSV file under its header.

    Args:
        path: where it lies; text that has been checked.
        dialect: how it is written.
        has_padded_quotes: whether quotes may stand behind spaces.
        has_odd_quotes: whether one of its quotes may have no other that closes it.
    """

    unread: Mapping[str, str] = {}

    def __init__(
        self,
        path: Path,
        dialect: CsvDialect,
        *,
        has_padded_quotes: bool = False,
        has_odd_quotes: bool = False,
    ) -> None:
        self._path = path
        self._has_odd_quotes = has_odd_quotes
        self._dialect = dialect
        self._is_read_by_arrow = not has_padded_quotes and dialect.delimiter in DELIMITERS
        header = [*dialect.header, *[""] * dialect.has_extra_field]
        self._has_empty_end = len(header) > 1 and not header[-1]
        self._fields = [name or f"Unnamed: {index}" for index, name in enumerate(header)]
        self.names = tuple(self._fields[:-1] if self._has_empty_end else self._fields)
        self.first_row = dialect.header_row + 1
        self.is_european = dialect.delimiter == ";"
        self.notes = tuple(self._notes())

    def _notes(self) -> Iterator[str]:
        if all(map(is_number, filter(None, self._dialect.header))):
            yield (
                "the first row names the columns, and it holds numbers alone "
                f"({', '.join(self.names[:3])}, ...); add a header if that is a row of data"
            )
        if self._has_empty_end:
            yield (
                f"each line ends with {format_value(self._dialect.delimiter)}; the column without "
                "a name and without values behind it is left out"
            )

    def batches(self, columns: Collection[str] | None = None) -> Iterator[Batch]:
        """The rows in order, batch by batch, as texts; an empty field is an empty text.

        Args:
            columns: the columns that are wanted; all unless given.

        Raises:
            InvalidInput: naming the row with too many or too few fields, or when there is no row.
        """
        wanted = [name for name in self.names if columns is None or name in columns]
        indices = [self._fields.index(name) for name in wanted]
        if self._has_empty_end:
            indices.append(len(self._fields) - 1)
        row, last = self.first_row, None
        for arrays in self._arrays(indices):
            if self._has_empty_end:
                self._check_empty(arrays[-1], row)
            row, last = row + len(arrays[0]), arrays[-1]
            yield dict(zip(wanted, arrays, strict=False))
        if last is None:
            raise no_rows()
        if self._has_odd_quotes and indices[-1] == len(self._fields) - 1:
            self._check_last(last[-1].as_py(), row - 1)

    def _arrays(self, indices: list[int]) -> Iterator[list[pa.Array]]:
        """Columns of texts by index, a batch at a time."""
        if not self._is_read_by_arrow:
            yield from self._by_records(indices)
            return
        rows = 0
        try:
            for arrays in self._by_arrow(indices):
                rows += len(arrays[0])
                yield arrays
        except _RecordTooLong:
            yield from self._by_records(indices, rows)

    def _by_arrow(self, indices: list[int]) -> Iterator[list[pa.Array]]:
        import pyarrow as pa
        from pyarrow import csv as arrow

        fields = [str(index) for index in range(len(self._fields))]
        wanted = [fields[index] for index in indices]
        block_bytes = max(BLOCK_BYTES, 4 * self._dialect.header_bytes)
        ragged: list[Any] = []

        def record(row: Any) -> str:
            ragged.append(row)
            return "error"

        with open_utf8(self._path, self._dialect.header_bytes) as file:
            try:
                reader = arrow.open_csv(
                    file,
                    # One thread: only then does Arrow know a faulty row's number.
                    read_options=arrow.ReadOptions(
                        use_threads=False, column_names=fields, block_size=block_bytes
                    ),
                    parse_options=arrow.ParseOptions(
                        delimiter=self._dialect.delimiter,
                        newlines_in_values=True,
                        invalid_row_handler=record,
                    ),
                    convert_options=arrow.ConvertOptions(
                        column_types=dict.fromkeys(wanted, pa.string()),
                        include_columns=wanted,
                        strings_can_be_null=False,
                    ),
                )
                yield from _joined(reader)
            except pa.ArrowInvalid as error:
                if ragged:
                    number = ragged[0].number
                    raise self._ragged(
                        None if number is None else number - 1 + self.first_row,
                        ragged[0].actual_columns,
                        ragged[0].text,
                    ) from None
                if "Empty CSV" in str(error):
                    return
                if "straddling" in str(error):
                    raise _RecordTooLong from None
                raise invalid_upload(
                    f"the file must be CSV, and it is not ({first_line(error)})"
                ) from None

    def _by_records(self, indices: list[int], skip_rows: int = 0) -> Iterator[list[pa.Array]]:
        """The same by Python's reader, which takes more dialects and ten times as long."""
        import pyarrow as pa

        width = len(self._fields)
        csv.field_size_limit(max(csv.field_size_limit(), MAX_RECORD_BYTES))
        with (
            open_utf8(self._path, self._dialect.header_bytes) as file,
            io.TextIOWrapper(file, "utf-8", newline="") as text,
        ):
            reader = csv.reader(text, delimiter=self._dialect.delimiter, skipinitialspace=True)
            records = islice(filter(None, reader), skip_rows, None)
            row = self.first_row + skip_rows
            count = max(1, min(1 << 14, (1 << 20) // width))
            try:
                while block := list(islice(records, count)):
                    for offset, record in enumerate(block):
                        if len(record) != width:
                            raise self._ragged(
                                row + offset, len(record), self._dialect.delimiter.join(record)
                            )
                    row += len(block)
                    yield [
                        pa.array([record[index] for record in block], pa.string())
                        for index in indices
                    ]
            except csv.Error as error:
                raise invalid_upload(
                    f"the file must be CSV, and it is not ({first_line(error)})"
                ) from None

    def _check_empty(self, cells: pa.Array, row: int) -> None:
        """Refuses a value in the column that the last delimiter of each line makes."""
        import pyarrow.compute as pc

        lengths = pc.utf8_length(pc.utf8_trim_whitespace(cells)).to_numpy(zero_copy_only=False)
        if lengths.any():
            index = next(i for i, length in enumerate(lengths.tolist()) if length)
            raise invalid_upload(
                f"every column must have a name, and column {len(self._fields)} has none and the "
                f"value {format_value(cells[index].as_py())} in row {row + index}; name it"
            )

    def _check_last(self, text: str, row: int) -> None:
        """Refuses a last field that a quote opens and nothing closes: it holds what followed."""
        if "\n" in text or "\r" in text:
            raise invalid_upload(
                f"a quote that opens a field must be closed, and that of the last field of row "
                f"{row} is not: {format_value(text)}; close it, or double it if it is text"
            )

    def _ragged(self, row: int | None, fields: int, text: str) -> Exception:
        where = "a row" if row is None else f"row {row}"
        return invalid_upload(
            f"every row must have {len(self._fields)} fields, and {where} has {fields}: "
            f"{format_value(text)}; correct it or put the field in quotes"
        )


def _joined(batches: Iterable[pa.RecordBatch]) -> Iterator[list[pa.Array]]:
    """The columns of batches put together until they have enough bytes."""
    import pyarrow as pa

    found: list[pa.RecordBatch] = []
    held = 0
    for batch in batches:
        found.append(batch)
        held += batch.nbytes
        if held >= BATCH_BYTES:
            yield [pa.concat_arrays(parts) for parts in zip(*found, strict=True)]
            found, held = [], 0
    if sum(batch.num_rows for batch in found):
        yield [pa.concat_arrays(parts) for parts in zip(*found, strict=True)]


class _RecordTooLong(Exception):
    """A record that does not fit into a block of Arrow's reader."""
