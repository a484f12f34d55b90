"""Rows to predict, from files: CSV, JSON, Parquet or NumPy."""

from __future__ import annotations

import csv
import json
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import prod
from pathlib import Path
from tokenize import TokenError
from typing import Any

from hpsearch.errors import InvalidInput
from hpsearch.optional import require_extra

HEADERS = {(1, 0): "read_array_header_1_0", (2, 0): "read_array_header_2_0"}
"""NumPy's reader of the header by version of `.npy`; 3.0 is for names of fields."""

UNREADABLE = (
    ValueError, EOFError, RecursionError, NotImplementedError, csv.Error, zipfile.BadZipFile,
)  # fmt: skip
"""What readers raise of a file that is not what its name says."""

_POSITION = re.compile(r"x\d+")
"""The name of a column of a table that came as an array."""


def read_rows(path: Path, columns: Sequence[str] = ()) -> Any:
    """Reads the rows of a file.

    Args:
        path: `.csv`, in any dialect that uploads may have; `.json` (a list of rows); `.parquet`;
            `.npy`, or `.npz` with its rows in `x`.
        columns: the names of an uploaded table's columns, which rows are to have by name; none
            where rows hold numbers alone, a first line without numbers naming them in a CSV file.
            Those of a table that came as an array, x0, x1, ..., may come either way.

    Returns:
        Rows that a model's or an ensemble's `predict` takes: a list, a table of Arrow, or an array.

    Raises:
        InvalidInput: when the file cannot be read, or holds no rows.
    """
    readers: Mapping[str, Callable[[Path], Any]] = {
        ".csv": partial(_named_csv, columns=columns) if columns else _plain_csv,
        ".json": _json,
        ".parquet": partial(_named_parquet, columns=columns) if columns else _plain_parquet,
        ".npy": _npy,
        ".npz": _npz,
    }
    suffix = path.suffix.lower()
    if suffix not in readers:
        raise InvalidInput.at(
            "file", f"must end in {', '.join(readers)}, got {path.name}; convert it to one of these"
        )
    try:
        return readers[suffix](path)
    except (OSError, *UNREADABLE) as error:
        reason = getattr(error, "strerror", None) or error
        raise InvalidInput.at(
            "file", f"must be readable as {suffix[1:]}, and {path} is not ({reason})"
        ) from None


def _has_names(names: Sequence[str], columns: Sequence[str]) -> bool:
    """Whether a table's rows go by name: always, but for columns of an array that has no names."""
    return not all(map(_POSITION.fullmatch, columns)) or not set(columns).isdisjoint(names)


def _named_csv(path: Path, columns: Sequence[str]) -> Any:
    """Fields as they are: whether `007` is a number or a category, the model knows."""
    arrow = require_extra("pyarrow", "worker", "tables in CSV files")
    from hpsearch.training.uploads.csv_source import open_csv

    source = open_csv(path)
    if not _has_names(source.names, columns):
        return _plain_csv(path)
    _check_names(source.names)
    batches = [arrow.table(dict(batch)) for batch in source.batches()]
    return arrow.concat_tables(batches)


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
    if not text:
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


def _named_parquet(path: Path, columns: Sequence[str]) -> Any:
    table = _parquet(path)
    if not _has_names(table.column_names, columns):
        return _plain_parquet(path)
    _check_names(table.column_names)
    return table


def _plain_parquet(path: Path) -> list[list[Any]]:
    columns = [column.to_pylist() for column in _parquet(path).columns]
    return [list(row) for row in zip(*columns, strict=True)]


def _parquet(path: Path) -> Any:
    parquet = require_extra("pyarrow.parquet", "worker", "files of Parquet")
    with path.open("rb") as file:
        return parquet.ParquetFile(file).read()


def _npy(path: Path) -> Any:
    with path.open("rb") as file:
        return _array(file, path.stat().st_size)


def _npz(path: Path) -> Any:
    with zipfile.ZipFile(path) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist()]
        if "x" not in names:
            raise ValueError(f"it has no array called x, but {', '.join(names) or 'nothing'}")
        with archive.open("x.npy") as file:
            return _array(file, archive.getinfo("x.npy").file_size)


def _array(file: Any, size_bytes: int) -> Any:
    """An array, once its file is known to hold as many bytes as its header says.

    A header may say any shape, and memory would be allocated for it before a number is read.
    """
    npy = require_extra("numpy.lib.format", "worker", "files of NumPy")
    try:
        version = npy.read_magic(file)
        if version not in HEADERS:
            raise ValueError(f"its format is {version[0]}.{version[1]}")
        shape, _, dtype = getattr(npy, HEADERS[version])(file)
    except (SyntaxError, TypeError, TokenError, MemoryError) as error:
        raise ValueError(f"its header cannot be read, {error}") from None
    promised, left = prod(shape) * dtype.itemsize, size_bytes - file.tell()
    if promised > left:
        raise ValueError(f"its header says {promised:,} bytes, and {left:,} follow")
    if not shape:
        raise ValueError("it holds no rows")
    file.seek(0)
    return npy.read_array(file, allow_pickle=False)
