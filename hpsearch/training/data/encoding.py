"""Columns of an uploaded table as numbers: categories one by one, missing values filled in.

Fitted on the training rows and stored with every checkpoint, so that fresh rows go the same way.
A number that is missing becomes the training rows' median; a category that is missing becomes the
most frequent one (of equally frequent ones the first by name). A category that no training row
has is none of the known ones: all its indicators are 0.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpsearch.errors import InvalidInput
from hpsearch.spec.language.messages import format_value
from hpsearch.training.uploads.table import Column, Values


@dataclass(frozen=True)
class EncodedColumn:
    """What becomes of one column of the table."""

    name: str
    place: int
    """Its place among the table's features."""
    fill: float
    """What takes the place of a missing value: a number, or a category's code."""
    categories: tuple[str, ...] = ()
    """By code; empty for numbers."""
    kept: tuple[int, ...] = ()
    """Codes that have an indicator: those of the training rows."""

    @property
    def width(self) -> int:
        """How many numbers it becomes."""
        return len(self.kept) if self.categories else 1


@dataclass(frozen=True)
class Encoding:
    """Turns rows [N, columns] of a table into [N, width]."""

    columns: tuple[EncodedColumn, ...]

    def __call__(self, x: NDArray[Any]) -> NDArray[np.float64]:
        """Encoded rows."""
        parts = []
        for column in self.columns:
            values = x[:, column.place]
            filled = np.where(np.isnan(values), column.fill, values)
            if column.categories:
                parts.append(filled[:, None] == np.array(column.kept, dtype=np.float64))
            else:
                parts.append(filled[:, None])
        if not parts:
            return np.empty((len(x), 0))
        return np.concatenate(parts, axis=1, dtype=np.float64)

    @property
    def indicators(self) -> NDArray[np.bool_]:
        """Which of the encoded columns stand for a category, [width]."""
        flags = [np.full(column.width, bool(column.categories)) for column in self.columns]
        return np.concatenate(flags) if flags else np.empty(0, dtype=bool)

    def rows(self, rows: Sequence[Mapping[str, Any]]) -> NDArray[np.float64]:
        """Fresh rows as a table [N, columns]: values by column name, none where one is missing.

        A category that was never seen is none of the known ones.

        Raises:
            InvalidInput: when a value of a column of numbers is none.
        """
        size = 1 + max((column.place for column in self.columns), default=-1)
        x = np.full((len(rows), size), np.nan)
        for column in self.columns:
            codes = {name: float(code) for code, name in enumerate(column.categories)}
            for index, row in enumerate(rows):
                value = row.get(column.name)
                if _is_missing(value):
                    continue
                x[index, column.place] = (
                    codes.get(str(value), codes.get(_whole(value), -1.0))
                    if column.categories
                    else _number(value, column.name, index)
                )
        return x

    def as_json(self) -> list[dict[str, Any]]:
        """What `from_json` reads."""
        return [vars(column) for column in self.columns]

    @classmethod
    def from_json(cls, document: Sequence[Mapping[str, Any]]) -> Encoding:
        """An encoding that was stored."""
        return cls(
            tuple(
                EncodedColumn(
                    name=str(entry["name"]),
                    place=int(entry["place"]),
                    fill=float(entry["fill"]),
                    categories=tuple(map(str, entry["categories"])),
                    kept=tuple(map(int, entry["kept"])),
                )
                for entry in document
            )
        )


def _is_missing(value: Any) -> bool:
    """Whether it is none, or what is not equal to itself: NaN, NaT, pandas' NA."""
    if value is None:
        return True
    different = value != value
    return not isinstance(different, bool | np.bool_) or bool(different)


def _whole(value: Any) -> str:
    """A value's name as a whole number: pandas makes floats of these where one is missing."""
    is_whole = isinstance(value, float | np.floating) and float(value).is_integer()
    return str(int(value)) if is_whole else str(value)


def _number(value: Any, name: str, index: int) -> float:
    try:
        if isinstance(value, str) and "_" in value:
            raise ValueError
        return float(value)
    except (TypeError, ValueError):
        raise InvalidInput.at(
            f"{index}.{name}",
            f"must be a number, got {format_value(value)}; leave it out if missing",
        ) from None


def fit_encoding(
    columns: Sequence[Column], x: NDArray[Any], *, without: Collection[str] = ()
) -> Encoding:
    """Learns fillings and categories.

    Args:
        columns: what the columns of x hold.
        x: training rows [N, columns].
        without: names of columns to leave out, such as the one that splits the rows.
    """
    return Encoding(
        tuple(
            _fit_column(Values(column, x[:, place]), place)
            for place, column in enumerate(columns)
            if column.name not in without
        )
    )


def _fit_column(found: Values, place: int) -> EncodedColumn:
    there = found.values[~found.missing]
    name, categories = found.column.name, found.column.categories
    if not categories:
        return EncodedColumn(name, place, float(np.median(there)) if len(there) else 0.0)
    codes, counts = np.unique(there.astype(np.int64), return_counts=True)
    most = float(codes[np.argmax(counts)]) if len(codes) else -1.0
    return EncodedColumn(name, place, most, categories, tuple(codes.tolist()))
