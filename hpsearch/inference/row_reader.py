"""New rows of a table as the matrix that training made of its rows: cells read the same way.

N   rows        x   float64 [N, columns]: numbers, seconds of dates, codes of categories; NaN where
                    a value is missing, -1 for a category without an indicator
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpsearch.errors import FieldError, InvalidInput
from hpsearch.inference.cell_readers import (
    CategoryReader,
    CellReader,
    cell_reader,
    joined,
)
from hpsearch.inference.inputs import table_by_position
from hpsearch.inference.table_cells import table_cells
from hpsearch.inference.unknown_categories import UnknownCategories
from hpsearch.training.data.encoding import Encoding


@dataclass(frozen=True)
class TableRows:
    """Rows that were read."""

    x: NDArray[np.float64]
    """[N, columns], as `Encoding` takes them."""
    unknown: Mapping[str, UnknownCategories]
    """By column, where rows hold categories that no training row had."""


@dataclass(frozen=True)
class RowReader:
    """Reads rows of a table for models that were trained on it."""

    columns: tuple[CellReader, ...]

    @property
    def names(self) -> list[str]:
        """The columns' names."""
        return [column.name for column in self.columns]

    @property
    def is_by_position(self) -> bool:
        """Whether rows may come by position, as the table came as an array: x0, x1, ..."""
        return all(
            column.name == f"x{column.index}" and not isinstance(column, CategoryReader)
            for column in self.columns
        )

    def read(self, x: Any) -> TableRows:
        """Rows as an encoding takes them.

        Args:
            x: a data frame, or a mapping for each row; of a table that came as an array also
                rows of numbers [N, columns], NaN where one is missing.

        Raises:
            InvalidInput: when rows do not fit; it names every column that has a cell which cannot
                be read.
        """
        width = 1 + max((column.index for column in self.columns), default=-1)
        if self.is_by_position and (array := table_by_position(x, width)) is not None:
            return TableRows(array, {})
        cells = table_cells(x, self.names)
        table = np.full((cells.rows, width), np.nan)
        unknown: dict[str, UnknownCategories] = {}
        errors: list[FieldError] = []
        for column in self.columns:
            parts = cells.columns[column.name]
            if isinstance(column, CategoryReader):
                keys = column.keys(parts)
                table[:, column.index] = column.values(keys)
                if (found := column.unknown(keys)) is not None:
                    unknown[column.name] = found
                continue
            try:
                table[:, column.index] = column.values(parts)
            except InvalidInput as error:
                errors += error.errors
        if errors:
            raise InvalidInput(errors)
        return TableRows(table, unknown)


def reader_of(encodings: Sequence[Encoding]) -> RowReader:
    """What reads rows for models with these encodings, at least one, of one data set.

    Raises:
        ValueError: when they read the table in different ways.
    """
    return joined_readers([RowReader(tuple(map(cell_reader, one.columns))) for one in encodings])


def joined_readers(readers: Sequence[RowReader]) -> RowReader:
    """One reader for the models of several, at least one: what one of them knows is known.

    Raises:
        ValueError: when they read the table in different ways.
    """
    first, *others = readers
    for other in others:
        if first.names != other.names:
            raise ValueError("models that predict together must have the same columns")
        first = RowReader(tuple(map(joined, first.columns, other.columns)))
    return first
