"""Columns of an uploaded table as numbers: one indicator a category, missing values filled in.

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
from hpsearch.training.uploads.table import Column, ColumnValues


@dataclass(frozen=True)
class EncodedColumn:
    """How one column of the table is encoded."""

    name: str
    index: int
    """Its position among the table's features, 0-based."""
    fill: float
    """What takes the place of a missing value: a number, or a category's code."""
    categories: tuple[str, ...] = ()
    """By code; empty for numbers."""
    known_codes: tuple[int, ...] = ()
    """Codes that have an indicator: those of the training rows."""

    @property
    def width(self) -> int:
        """How many numbers it becomes."""
        return len(self.known_codes) if self.categories else 1


@dataclass(frozen=True)
class Encoding:
    """Turns rows [N, columns] of a table into [N, width]."""

    columns: tuple[EncodedColumn, ...]

    def __call__(self, x: NDArray[Any]) -> NDArray[np.float64]:
        """Encodes rows x [N, columns], NaN where a value is missing, as [N, width]."""
        parts = []
        for column in self.columns:
            values = x[:, column.index]
            filled = np.where(np.isnan(values), column.fill, values)
            if column.categories:
                parts.append(filled[:, None] == np.array(column.known_codes, dtype=np.float64))
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
        size = 1 + max((column.index for column in self.columns), default=-1)
        x = np.full((len(rows), size), np.nan)
        for column in self.columns:
            codes = {name: float(code) for code, name in enumerate(column.categories)}
            for row_index, row in enumerate(rows):
                value = row.get(column.name)
                if _is_missing(value):
                    continue
                x[row_index, column.index] = (
                    codes.get(str(value), codes.get(_whole(value), -1.0))
                    if column.categories
                    else _number(value, column.name, row_index)
                )
        return x

    def as_json(self) -> list[dict[str, Any]]:
        """The encoding as JSON, for `from_json`; its keys are part of the checkpoint's format."""
        return [
            {
                "name": column.name,
                "place": column.index,
                "fill": column.fill,
                "categories": column.categories,
                "kept": column.known_codes,
            }
            for column in self.columns
        ]

    @classmethod
    def from_json(cls, document: Sequence[Mapping[str, Any]]) -> Encoding:
        """The encoding that `as_json` gave."""
        return cls(
            tuple(
                EncodedColumn(
                    name=str(entry["name"]),
                    index=int(entry["place"]),
                    fill=float(entry["fill"]),
                    categories=tuple(map(str, entry["categories"])),
                    known_codes=tuple(map(int, entry["kept"])),
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
    """The encoding whose fillings and known categories are those of the training rows.

    Args:
        columns: what the columns of x hold.
        x: training rows [N, columns].
        without: names of columns to leave out, such as the one that splits the rows.
    """
    return Encoding(
        tuple(
            _fit_column(ColumnValues(column, x[:, index]), index)
            for index, column in enumerate(columns)
            if column.name not in without
        )
    )


def _fit_column(column: ColumnValues, index: int) -> EncodedColumn:
    present = column.values[~column.missing]
    name, categories = column.name, column.categories
    if not categories:
        return EncodedColumn(name, index, float(np.median(present)) if len(present) else 0.0)
    codes, counts = np.unique(present.astype(np.int64), return_counts=True)
    most_frequent = float(codes[np.argmax(counts)]) if len(codes) else -1.0
    return EncodedColumn(name, index, most_frequent, categories, tuple(codes.tolist()))
