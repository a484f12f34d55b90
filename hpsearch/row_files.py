"""Rows to predict, from files: CSV, JSON or NumPy."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hpsearch.errors import InvalidInput
from hpsearch.extras import needed

MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "?")
"""What a field says where it has no value, as in tables that are uploaded."""


def read_rows(path: Path, *, named: bool) -> Any:
    """The rows of a file.

    Args:
        path: `.csv` (separated by commas, semicolons or tabs; a first line without numbers names
            the columns), `.json` (a list of rows) or `.npy`.
        named: rows are to map columns to values, as those of an uploaded table; else they hold
            numbers alone.

    Raises:
        InvalidInput: when the file cannot be read, or holds no rows.
    """
    readers: Mapping[str, Callable[[Path], Any]] = {
        ".csv": _named_csv if named else _plain_csv,
        ".json": _json,
        ".npy": _numpy,
    }
    suffix = path.suffix.lower()
    if suffix not in readers:
        raise InvalidInput.at(
            "file", f"must end in {', '.join(readers)}, got {path.name}; convert it to one of these"
        )
    try:
        return readers[suffix](path)
    except (OSError, ValueError, EOFError, RecursionError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InvalidInput.at(
            "file", f"must be readable as {suffix[1:]}, and {path} is not ({reason})"
        ) from None


def _named_csv(path: Path) -> list[dict[str, str | None]]:
    """Fields as they are: whether `007` is a number or a category, the model knows."""
    names, *rows = _fields(path)
    found = []
    for line, row in enumerate(rows, start=2):
        if len(row) > len(names):
            raise ValueError(f"row {line} has {len(row)} fields, the first one {len(names)}")
        values = [None if text in MISSING else text for text in row]
        found.append(dict(zip(names, values, strict=False)))
    return found


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
        return float(text)
    except ValueError:
        return text


def _json(path: Path) -> Any:
    found = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(found, list):
        raise ValueError("it holds no list of rows")
    return found


def _numpy(path: Path) -> Any:
    form = needed("numpy.lib.format", "worker", "files of NumPy")
    with path.open("rb") as file:
        found = form.read_array(file, allow_pickle=False)
    if not found.ndim:
        raise ValueError("it holds no rows")
    return found
