"""CSV: UTF-8 text with a header in its first row.

In messages the header is row 1, as spreadsheets show it.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpsearch.spec.language.messages import format_value
from hpsearch.training.uploads.columns import text_column
from hpsearch.training.uploads.read_options import ReadOptions, first_line, invalid_upload
from hpsearch.training.uploads.table import Table
from hpsearch.training.uploads.tabular import (
    build_table,
    check_names,
    check_rows,
    no_rows,
    use_of,
)
from hpsearch.training.uploads.text import check_utf8
from hpsearch.training.uploads.upload_format import FileStart, Format

if TYPE_CHECKING:
    import pyarrow as pa

MAX_HEADER_BYTES = 1 << 24
OTHER_SUFFIXES = (".xlsx", ".xls", ".json", ".pkl", ".pickle")
"""Of files that no format reads, though they may be text."""


def read_csv(path: Path, options: ReadOptions) -> Table:
    """The rows of a CSV file; fields are separated by commas, semicolons or tabs.

    Raises:
        InvalidInput: naming the column and the row that are wrong.
    """
    check_utf8(path)
    names, separator = _header(path)
    check_names(names, options)
    columns = _texts(path, names, separator)
    return build_table(
        options,
        (
            text_column(
                name, columns.pop(name).combine_chunks(), use_of(options, name), first_row=2
            )
            for name in names
        ),
        first_row=2,
    )


def _header(path: Path) -> tuple[list[str], str]:
    """The names of the columns and what separates them."""
    with path.open("rb") as file:
        line = file.readline(MAX_HEADER_BYTES)
    if not line.strip(b"\xef\xbb\xbf \t\r\n"):
        raise invalid_upload("the file must have a header in its first row, and that is empty")
    text = line.decode("utf-8-sig").rstrip("\r\n")
    if "\0" in text:
        raise invalid_upload("the file must be CSV text, and it holds binary data; see the formats")
    separator = max(",;\t", key=text.count)
    return [name.strip() for name in next(csv.reader([text], delimiter=separator))], separator


def _texts(path: Path, names: list[str], separator: str) -> dict[str, pa.ChunkedArray]:
    """Every column as text, by name."""
    import pyarrow as pa
    from pyarrow import csv as arrow

    ragged: list[Any] = []

    def record(row: Any) -> str:
        ragged.append(row)
        return "error"

    try:
        table = arrow.read_csv(
            path,
            # One thread: only then does Arrow know a faulty row's number.
            read_options=arrow.ReadOptions(
                use_threads=False, column_names=names, skip_rows=1, block_size=1 << 24
            ),
            parse_options=arrow.ParseOptions(
                delimiter=separator, newlines_in_values=True, invalid_row_handler=record
            ),
            convert_options=arrow.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as error:
        if ragged:
            raise _ragged(ragged[0]) from None
        if "Empty CSV" in str(error):
            raise no_rows() from None
        raise invalid_upload(f"the file must be CSV, and it is not ({first_line(error)})") from None
    check_rows(table.num_rows)
    return {name: table.column(name) for name in names}


def _ragged(row: Any) -> Exception:
    where = "a row" if row.number is None else f"row {row.number}"
    return invalid_upload(
        f"every row must have {row.expected_columns} fields, and {where} has "
        f"{row.actual_columns}: {format_value(row.text)}; correct it or put the field in quotes"
    )


def _refuse_utf16(start: FileStart) -> bool:
    if start.first_bytes[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise invalid_upload(f"{start.name} must be UTF-8 text, and it is UTF-16; save it as UTF-8")
    return False


def _is_text(start: FileStart) -> bool:
    return b"\0" not in start.first_bytes and not start.has_suffix(*OTHER_SUFFIXES)


CSV = Format(read_csv, as_file=_refuse_utf16, as_rest=_is_text)
