"""CSV (UTF-8, header in the first row) and Parquet: one column is the target, the rest features.

In messages the header of a CSV is row 1, as spreadsheets show it; the first row of a Parquet file
is row 1.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hpsearch.spec.language.messages import format_value
from hpsearch.training.uploads.bounds import MAX_UNPACKED_BYTES
from hpsearch.training.uploads.columns import text_column, typed_column
from hpsearch.training.uploads.read_options import ReadOptions, invalid_upload
from hpsearch.training.uploads.table import SPLIT_NAMES, Table, Values
from hpsearch.training.uploads.target import target_of
from hpsearch.training.uploads.text import check_utf8
from hpsearch.training.uploads.upload_format import FileStart, Format

if TYPE_CHECKING:
    import pyarrow as pa

MAX_COLUMNS = 10_000
MAX_CATEGORIES = 256
"""Of a feature: each becomes an input of its own."""
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
    _check_names(names, options)
    columns = _texts(path, names, separator)
    return _table(
        options,
        (
            text_column(name, columns.pop(name).combine_chunks(), _use(options, name), first_row=2)
            for name in names
        ),
        first_row=2,
    )


def read_parquet(path: Path, options: ReadOptions) -> Table:
    """The rows of a Parquet file.

    Raises:
        InvalidInput: naming the column and the row that are wrong.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            about = file.metadata
            unpacked = sum(about.row_group(i).total_byte_size for i in range(about.num_row_groups))
            size = max(unpacked, 8 * about.num_rows * about.num_columns)
            if size > MAX_UNPACKED_BYTES:
                raise invalid_upload(
                    f"a file must unpack to at most {MAX_UNPACKED_BYTES} bytes, and this one "
                    f"says {size}; send less"
                )
            names = list(file.schema_arrow.names)
            _check_names(names, options)
            _check_rows(about.num_rows)
            table = file.read()
    except (pa.ArrowException, OSError) as error:
        raise invalid_upload(
            f"the file must be whole Parquet, and it is not ({_first(error)})"
        ) from None
    return _table(
        options,
        (
            typed_column(name, table.column(name).combine_chunks(), _use(options, name), 1)
            for name in names
        ),
        first_row=1,
    )


def _refuse_utf16(start: FileStart) -> bool:
    if start.first_bytes[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise invalid_upload(f"{start.name} must be UTF-8 text, and it is UTF-16; save it as UTF-8")
    return False


def _is_text(start: FileStart) -> bool:
    return b"\0" not in start.first_bytes and not start.has_suffix(*OTHER_SUFFIXES)


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


def _check_names(names: Sequence[str], options: ReadOptions) -> None:
    if len(names) > MAX_COLUMNS:
        raise invalid_upload(f"a table must have at most {MAX_COLUMNS} columns, got {len(names)}")
    seen: set[str] = set()
    for place, name in enumerate(names):
        if not name:
            raise invalid_upload(
                f"every column must have a name, and column {place + 1} has none; name it or "
                "take it out (pandas: to_csv(..., index=False))"
            )
        if name in seen:
            raise invalid_upload(
                f"column names must differ, and {format_value(name)} is there twice; rename one"
            )
        if len(name) > 500:
            raise invalid_upload(
                f"a column's name must have at most 500 characters, got {len(name)}"
            )
        seen.add(name)
    listed = ", ".join(names[:20])
    if options.target not in seen:
        got = "none" if options.target is None else format_value(options.target)
        raise invalid_upload(
            f"must name a column of the file, got {got}; there are {listed}", "target"
        )
    for name in options.columns:
        if name not in seen:
            raise invalid_upload(f"no column is called so; there are {listed}", "columns", name)


def _texts(path: Path, names: list[str], separator: str) -> dict[str, pa.ChunkedArray]:
    """Every column as text."""
    import pyarrow as pa
    from pyarrow import csv as arrow

    ragged: list[Any] = []

    def note(row: Any) -> str:
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
                delimiter=separator, newlines_in_values=True, invalid_row_handler=note
            ),
            convert_options=arrow.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as error:
        if ragged:
            raise _ragged(ragged[0]) from None
        if "Empty CSV" in str(error):
            raise _no_rows() from None
        raise invalid_upload(f"the file must be CSV, and it is not ({_first(error)})") from None
    _check_rows(table.num_rows)
    return {name: table.column(name) for name in names}


def _ragged(row: Any) -> Exception:
    where = "a row" if row.number is None else f"row {row.number}"
    return invalid_upload(
        f"every row must have {row.expected_columns} fields, and {where} has "
        f"{row.actual_columns}: {format_value(row.text)}; correct it or put the field in quotes"
    )


def _check_rows(rows: int) -> None:
    if rows == 0:
        raise _no_rows()


def _no_rows() -> Exception:
    return invalid_upload("the file must have rows under its header, and it has none; add some")


def _use(options: ReadOptions, name: str) -> Any:
    use = options.columns.get(name)
    return None if use == "ignore" else use


def _table(options: ReadOptions, columns: Iterable[Values], first_row: int) -> Table:
    """Target, features and marks apart."""
    features: list[Values] = []
    marks: list[Values] = []
    y: NDArray[Any] = np.empty(0)
    classes: tuple[str, ...] = ()
    for found in columns:
        name = found.column.name
        if name == options.target:
            y, classes = target_of(found, _use(options, name), first_row)
        elif _is_mark(found, options):
            marks.append(found)
        else:
            _check_categories(found)
            features.append(found)
    if not features:
        raise invalid_upload(
            "a table must have a column to learn from beside the target, and all others are "
            "times or ignored; add one"
            if marks
            else "a table must have a column to learn from beside the target, and it has none"
        )
    x = np.column_stack([found.values for found in features])
    return Table(x, y, classes, tuple(found.column for found in features), tuple(marks))


def _is_mark(found: Values, options: ReadOptions) -> bool:
    """Whether a column is no feature: a time, ignored, or the names of the parts of a split."""
    names = found.column.categories
    return (
        found.column.kind == "time"
        or options.columns.get(found.column.name) == "ignore"
        or (bool(names) and set(names) <= set(SPLIT_NAMES))
    )


def _check_categories(found: Values) -> None:
    name, count = found.column.name, len(found.column.categories)
    if count > MAX_CATEGORIES:
        raise invalid_upload(
            f"a feature must have at most {MAX_CATEGORIES} categories, and column {name} has "
            f'{count}; say columns={{"{name}": "ignore"}} (a split may still name it)'
        )


def _first(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__


CSV = Format(read_csv, as_file=_refuse_utf16, as_rest=_is_text)
PARQUET = Format(read_parquet, magic=b"PAR1")
