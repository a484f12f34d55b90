"""CSV: text with a header in its first row.

In messages the header is row 1, as spreadsheets show it.
"""

from __future__ import annotations

from pathlib import Path

from hpsearch.spec.wire.datasets import DatasetInfo
from hpsearch.training.uploads.csv_source import open_csv
from hpsearch.training.uploads.read_options import ReadOptions
from hpsearch.training.uploads.table import Table
from hpsearch.training.uploads.tabular import describe_source, read_source
from hpsearch.training.uploads.text import is_marked_text
from hpsearch.training.uploads.upload_format import FileStart, Format

OTHER_SUFFIXES = (".xlsx", ".xls", ".json", ".pkl", ".pickle")
"""Of files that no format reads, though they may be text."""


def read_csv(path: Path, options: ReadOptions) -> Table:
    """The rows of a CSV file.

    Raises:
        InvalidInput: naming the columns and the rows that are wrong.
    """
    return read_source(open_csv(path), options)


def describe_csv(path: Path, options: ReadOptions, name: str) -> DatasetInfo:
    """The record of a CSV file.

    Raises:
        InvalidInput: naming the columns and the rows that are wrong.
    """
    return describe_source(open_csv(path), options, name)


def _is_marked(start: FileStart) -> bool:
    return is_marked_text(start.first_bytes)


def _is_text(start: FileStart) -> bool:
    return b"\0" not in start.first_bytes and not start.has_suffix(*OTHER_SUFFIXES)


CSV = Format(read_csv, describe_csv, as_file=_is_marked, as_rest=_is_text)
