"""One column of new rows: its cells as the numbers that training made of such cells.

N   rows        cells   a column's cells as arrays [N], see `table_cells`
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hpsearch.errors import FieldError, InvalidInput
from hpsearch.inference.table_cells import ColumnCells
from hpsearch.inference.unknown_categories import UnknownCategories
from hpsearch.spec.language.messages import format_value, pluralize
from hpsearch.spec.wire.upload import ColumnReading
from hpsearch.training.data.encoding import EncodedColumn
from hpsearch.training.uploads.cells import cell_texts
from hpsearch.training.uploads.readings import read_keys, read_numbers

if TYPE_CHECKING:
    import pyarrow as pa

MOST_VALUES = 5
"""Unknown categories of a column that are named."""

_ORDERS = {"ymd": "year, month, day", "dmy": "day, month, year", "mdy": "month, day, year"}


@dataclass(frozen=True)
class NumberReader:
    """Reads a column of numbers or dates."""

    name: str
    index: int
    """Its position among the columns of the table, 0-based."""
    reading: ColumnReading

    def values(self, cells: ColumnCells) -> NDArray[np.float64]:
        """Numbers, or seconds of dates, [N]; NaN where a cell is missing.

        Raises:
            InvalidInput: naming the first cell that is neither.
        """
        values, unreadable = read_numbers(self.reading, cells[0])
        for part in cells[1:]:
            more, also_unreadable = read_numbers(self.reading, part)
            values = np.where(np.isnan(values), more, values)
            unreadable |= also_unreadable
        if unreadable.any():
            raise InvalidInput([self._error(cells, np.flatnonzero(unreadable))])
        return values

    def _error(self, cells: ColumnCells, rows: NDArray[np.int64]) -> FieldError:
        first = int(rows[0])
        value = next(part[first] for part in cells if part[first].is_valid).as_py()
        what = "a finite number"
        if self.reading.kind == "date":
            what = f"a date, written in the order {_ORDERS[self.reading.date_order]}"
        more = f" and {pluralize(len(rows) - 1, 'row')} more" if len(rows) > 1 else ""
        return FieldError(
            f"x.{first}.{self.name}",
            f"must be {what}, got {format_value(value)}{more}; correct it, or leave it out if "
            "missing",
        )


@dataclass(frozen=True)
class CategoryReader:
    """Reads a column of categories."""

    name: str
    index: int
    """Its position among the columns of the table, 0-based."""
    reading: ColumnReading
    codes: Mapping[str, int]
    """Of each category that has an indicator."""
    others: frozenset[str] = frozenset()
    """Categories of training rows without an indicator."""
    prefers_written: bool = False
    """Whether text that is a category's name as it stands is that category: releases before 0.2
    named categories by their text as it was written."""

    def keys(self, cells: ColumnCells) -> pa.Array:
        """The category of each cell [N] as text; null where it is missing."""
        import pyarrow.compute as pc

        keys = [self._keys(part) for part in cells]
        return keys[0] if len(keys) == 1 else pc.coalesce(*keys)

    def values(self, keys: pa.Array) -> NDArray[np.float64]:
        """The codes [N] of categories; -1 for one without an indicator, NaN for none."""
        import pyarrow.compute as pc

        codes = np.array([*self.codes.values(), -1], dtype=np.float64)
        indices = pc.fill_null(pc.index_in(keys, value_set=_texts(self.codes)), -1)
        values: NDArray[np.float64] = codes[indices.to_numpy(zero_copy_only=False)]
        values[keys.is_null().to_numpy(zero_copy_only=False)] = np.nan
        return values

    def unknown(self, keys: pa.Array) -> UnknownCategories | None:
        """The categories among keys [N] that no training row had; none where all are known."""
        import pyarrow as pa
        import pyarrow.compute as pc

        known = _texts([*self.codes, *self.others])
        is_unknown = pc.and_(keys.is_valid(), pc.invert(pc.is_in(keys, value_set=known)))
        rows = np.flatnonzero(is_unknown.to_numpy(zero_copy_only=False))
        if not len(rows):
            return None
        values = pc.unique(keys.take(pa.array(rows)))
        return UnknownCategories(len(rows), int(rows[0]), tuple(values[:MOST_VALUES].to_pylist()))

    def _keys(self, cells: pa.Array) -> pa.Array:
        import pyarrow as pa
        import pyarrow.compute as pc

        keys = read_keys(self.reading, cells)
        if self.prefers_written and pa.types.is_string(cells.type):
            return pc.if_else(pc.is_in(cells, value_set=_texts(self.codes)), cells, keys)
        return keys


CellReader = NumberReader | CategoryReader


def cell_reader(column: EncodedColumn) -> CellReader:
    """What reads a column's new cells for a model with this encoding."""
    name, index, reading = column.name, column.index, column.reading
    if column.categories is None:
        kind = "number" if column.dates is None else "date"
        return NumberReader(name, index, reading or ColumnReading(kind=kind))
    codes = dict(zip(column.categories, column.codes, strict=True))
    if reading is not None:
        return CategoryReader(name, index, reading, codes, frozenset(column.other_categories))
    codes = {**_normal_names(codes), **codes}
    return CategoryReader(name, index, ColumnReading(kind="category"), codes, prefers_written=True)


def joined(first: CellReader, second: CellReader) -> CellReader:
    """A column for two models on one data set: what one of them knows is known.

    Raises:
        ValueError: when they read the column in different ways.
    """
    if isinstance(first, CategoryReader) and isinstance(second, CategoryReader):
        codes = {**first.codes, **second.codes}
        if any(codes[name] != code for name, code in first.codes.items()):
            raise ValueError(f"models must have one code for a category of {first.name}")
        others = (first.others | second.others) - codes.keys()
        first = replace(first, codes=codes, others=others)
        second = replace(second, codes=codes, others=others)
    if first != second:
        raise ValueError(f"models must read {first.name} alike")
    return first


def _texts(names: Mapping[str, int] | list[str]) -> pa.Array:
    import pyarrow as pa

    return pa.array(list(names), pa.string())


def _normal_names(codes: Mapping[str, int]) -> dict[str, int]:
    """The codes of categories by their normal text: 1.0 is 1, TRUE is true, without spaces."""
    import pyarrow as pa

    normal: dict[str, int] = {}
    for name, code in codes.items():
        text = name.strip()
        try:
            text = cell_texts(pa.array([float(text)]))[0].as_py() or text
        except ValueError:
            text = text.lower() if text.lower() in ("true", "false") else text
        normal.setdefault(text, code)
    return normal
