"""The rows of a data set, before anything is fitted to them.

x holds numbers. A column of categories holds codes, 0-based positions in `Column.categories`; NaN
stands for a missing value of either. A side column is no feature, but a split may name it.
A column keeps how its cells were read, so that cells of new rows are read the same way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpsearch.spec.wire.upload import ClassType, ColumnReading

ColumnKind = Literal["number", "category", "date"]
"""Dates are seconds since 1970, UTC."""

SPLIT_NAMES = ("train", "validation", "test")
"""What a column says that splits the rows by name."""


@dataclass(frozen=True)
class Column:
    """One column; truth values are the categories `false` and `true`."""

    name: str
    kind: ColumnKind = "number"
    categories: tuple[str, ...] = ()
    """Names by code; empty unless it holds categories."""
    reading: ColumnReading | None = None
    """How its cells are read; none where numbers came as such: `number` or `category` by kind."""


class ColumnValues(NamedTuple):
    """A column with its values, float64 [N]."""

    column: Column
    values: NDArray[np.float64]

    @property
    def name(self) -> str:
        """The column's name."""
        return self.column.name

    @property
    def categories(self) -> tuple[str, ...]:
        """Names by code; empty unless it holds categories."""
        return self.column.categories

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Which rows have no value, [N]."""
        return np.isnan(self.values)

    def texts(self) -> list[str | None]:
        """The values as text; none where one is missing."""
        names = self.categories
        return [
            None if np.isnan(value) else names[int(value)] if names else f"{value:.17g}"
            for value in self.values
        ]


@dataclass(frozen=True)
class Table:
    """All rows of a data set, before they are split, encoded or standardised.

    x [N, *features], y [N]: int64 for classes, float64 for numbers. Uploaded images stay in the
    type they were stored in.
    """

    x: NDArray[Any]
    y: NDArray[Any]
    classes: tuple[str, ...] = ()
    """Names of the classes; empty for numbers."""
    columns: tuple[Column, ...] = ()
    """What the columns of an uploaded table hold; empty for images and built-in data."""
    side_columns: tuple[ColumnValues, ...] = ()
    """Columns that are no features: a split may name them."""
    class_type: ClassType = "text"
    """Of the values that the classes' names stand for."""

    def all_columns(self) -> Iterator[tuple[ColumnValues, bool]]:
        """Each column with whether it is a feature, the features first."""
        for index, column in enumerate(self.columns):
            yield ColumnValues(column, self.x[:, index]), True
        for side_column in self.side_columns:
            yield side_column, False

    def column(self, name: str) -> ColumnValues | None:
        """A column by its name, if there is one."""
        return next((column for column, _ in self.all_columns() if column.name == name), None)


def category_column(name: str, texts: NDArray[Any]) -> ColumnValues:
    """A column of categories from texts [N]; categories are in alphabetic order."""
    categories, codes = np.unique(texts, return_inverse=True)
    return ColumnValues(
        Column(name, "category", tuple(str(category) for category in categories)),
        codes.astype(np.float64).reshape(-1),
    )
