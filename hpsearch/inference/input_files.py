"""Rows to predict, from files: CSV, JSON, Parquet or NumPy."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from math import prod
from pathlib import Path
from tokenize import TokenError
from typing import Any

from hpsearch.errors import InvalidInput
from hpsearch.optional import require_extra

MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "?")
"""Texts of a field without a value, as in tables that are uploaded."""


HEADERS = {(1, 0): "read_array_header_1_0", (2, 0): "read_array_header_2_0"}
"""NumPy's reader of the header by version of `.npy`; 3.0 is for names of fields."""


def read_rows(path: Path, *, named: bool) -> Any:
    """Reads the rows of a file.

    Args:
        path: `.csv` (separated by commas, semicolons or tabs; a first line without numbers names
            the columns), `.json` (a list of rows), `.parquet` or `.npy`.
        named: rows are to map columns to values, as those of an uploaded table; else they hold
            numbers alone.

    Returns:
        Rows that a model's or an ensemble's `predict` takes: a list, or an array from `.npy`.

    Raises:
        InvalidInput: when the file cannot be read, or holds no rows.
    """
    readers: Mapping[str, Callable[[Path], Any]] = {
        ".csv": _named_csv if named else _plain_csv,
        ".json": _json,
        ".parquet": _named_parquet if named else _plain_parquet,
        ".npy": _numpy,
    }
    suffix = path.suffix.lower()
    if suffix not in readers:
        raise InvalidInput.at(
            "file", f"must end in {', '.join(readers)}, got {path.name}; convert it to one of these"
        )
    try:
        return readers[suffix](path)
    except (OSError, ValueError, EOFError, RecursionError, NotImplementedError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise InvalidInput.at(
            "file", f"must be readable as {suffix[1:]}, and {path} is not ({reason})"
        ) from None


def _named_csv(path: Path) -> list[dict[str, str | None]]:
    """Fields as they are: whether `007` is a number or a category, the model knows."""
    names, *rows = _fields(path)
    _check_names(names)
    records = []
    for line, row in enumerate(rows, start=2):
        if len(row) > len(names):
            raise ValueError(f"row {line} has {len(row)} fields, the first one {len(names)}")
        values = [None if text in MISSING else text for text in row]
        records.append(dict(zip(names, values, strict=False)))
    return records


def _check_names(names: Sequence[str]) -> None:
    if len(set(names)) < len(names):
        repeated = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"two columns are called {repeated!r}")


def _plain_csv(path: Path) -> list[list[float | str | None]]:
    rows = [[_number(text) for text in row] for row in _fields(path)]
    has_names = not any(isinstance(value, float) for value in rows[0])
    return rows[1:] if has_names else rows


def _fields(path: Path) -> list[list[str]]:
    """All fields, but for empty lines; at least one row."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        separator = max(",;\t", key=file.readline().count)
        file.seek(0)
        rows = [
            [text.strip() for text in row] for row in csv.reader(file, delimiter=separator) if row
        ]
    if not rows:
        raise ValueError("it is empty")
    return rows


def _number(text: str) -> float | str | None:
    """A number where it is one; none where there is nothing."""
    if text in MISSING:
        return None
    try:
        return text if "_" in text else float(text)  # Python alone takes 1_0 for a number
    except ValueError:
        return text


def _json(path: Path) -> Any:
    rows = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(rows, list):
        raise ValueError("it holds no list of rows")
    return rows


def _named_parquet(path: Path) -> Any:
    table = _parquet(path)
    _check_names(table.column_names)
    return table.to_pylist()


def _plain_parquet(path: Path) -> list[list[Any]]:
    columns = [column.to_pylist() for column in _parquet(path).columns]
    return [list(row) for row in zip(*columns, strict=True)]


def _parquet(path: Path) -> Any:
    parquet = require_extra("pyarrow.parquet", "worker", "files of Parquet")
    with path.open("rb") as file:
        return parquet.ParquetFile(file).read()


def _numpy(path: Path) -> Any:
    """An array, once its file is known to hold as many bytes as its header says.

    A header may say any shape, and memory would be allocated for it before a number is read.
    """
    npy = require_extra("numpy.lib.format", "worker", "files of NumPy")
    with path.open("rb") as file:
        try:
            version = npy.read_magic(file)
            if version not in HEADERS:
                raise ValueError(f"its format is {version[0]}.{version[1]}")
            shape, _, dtype = getattr(npy, HEADERS[version])(file)
        except (SyntaxError, TypeError, TokenError, MemoryError) as error:
            raise ValueError(f"its header cannot be read, {error}") from None
        promised, left = prod(shape) * dtype.itemsize, path.stat().st_size - file.tell()
        if promised > left:
            raise ValueError(f"its header says {promised:,} bytes, and {left:,} follow")
        if not shape:
            raise ValueError("it holds no rows")
        file.seek(0)
        return npy.read_array(file, allow_pickle=False)
