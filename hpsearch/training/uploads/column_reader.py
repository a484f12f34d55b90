"""A column's cells as numbers, batch by batch, by the reading that was decided for it."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hpsearch.errors import FieldError
from hpsearch.spec.language.messages import format_value
from hpsearch.spec.wire.upload import ColumnInfo, ColumnReading
from hpsearch.training.uploads.cells import cell_texts
from hpsearch.training.uploads.distinct import text_hashes
from hpsearch.training.uploads.read_options import column_remedy
from hpsearch.training.uploads.readings import read_keys, read_numbers
from hpsearch.training.uploads.table import Column, ColumnKind

if TYPE_CHECKING:
    import pyarrow as pa

_HASH_SHIFT = 12
"""What is left of a hash of 64 bits is a whole number that float64 holds."""


class ColumnReader:
    """Reads one column.

    Categories get codes in the order in which they come; at the end `rank` gives them the codes
    that they have in the order of names. Texts that are no feature are known by their hashes alone.

    Args:
        info: what the column is, with its reading.
        first_row: what the first row is called in messages.
    """

    def __init__(self, info: ColumnInfo, first_row: int) -> None:
        self.info = info
        self.first_row = first_row
        self._reading = info.reading or ColumnReading(kind="number")
        self._row = first_row
        self._codes: dict[str, int] = {}
        # Of what is no feature only its groups count: different texts, which may be long.
        self._is_hashed = info.role == "ignored" and info.kind in ("text", "id")
        self.fault: FieldError | None = None
        """The first cell of a feature or target that cannot be read."""

    @property
    def is_category(self) -> bool:
        """Whether its values are codes."""
        return self._reading.kind in ("category", "boolean")

    def values(self, cells: pa.Array) -> NDArray[np.float64]:
        """The next cells' values [N]: numbers, seconds or codes; NaN where one is missing."""
        if self.is_category:
            values = self._next_codes(cells)
        else:
            values, unreadable = read_numbers(self._reading, cells)
            if unreadable.any() and self.fault is None and self.info.role != "ignored":
                self.fault = self._fault(cells, int(np.argmax(unreadable)))
        self._row += len(cells)
        return values

    def _next_codes(self, cells: pa.Array) -> NDArray[np.float64]:
        keys = read_keys(self._reading, cells)
        present = keys.is_valid().to_numpy(zero_copy_only=False)
        values = np.full(len(cells), np.nan)
        if self._is_hashed:
            values[present] = text_hashes(keys.drop_null()) >> np.uint64(_HASH_SHIFT)
            return values
        encoded = keys.drop_null().dictionary_encode()
        codes = [
            self._codes.setdefault(name, len(self._codes))
            for name in encoded.dictionary.to_pylist()
        ]
        values[present] = np.array(codes, np.float64)[encoded.indices.to_numpy()]
        return values

    def _fault(self, cells: pa.Array, index: int) -> FieldError:
        text = cell_texts(cells.slice(index, 1))[0].as_py()
        name, kind = self.info.name, self._reading.kind
        return FieldError(
            f"columns.{name}",
            f"must hold {kind}s alone, and row {self._row + index} has {format_value(text)}; "
            f"correct it, or say {column_remedy(name, 'category', 'ignore')}",
        )

    def column(self) -> Column:
        """What the column holds, once all cells are read."""
        if not self.is_category:
            return Column(self.info.name, _kind(self._reading), reading=self.info.reading)
        names = () if self._is_hashed else tuple(self._names())
        return Column(self.info.name, "category", names, self.info.reading)

    def rank(self, values: NDArray[np.float64]) -> None:
        """Changes what `values` gave for all cells, [N], in place: codes go by names' order."""
        if not self.is_category or self._is_hashed:
            return
        ranks = np.arange(len(self._codes))
        for rank, name in enumerate(self._names()):
            ranks[self._codes[name]] = rank
        present = ~np.isnan(values)
        values[present] = ranks[values[present].astype(np.int64)]

    def _names(self) -> list[str]:
        """Its categories: numbers in ascending, texts in alphabetic order."""
        return sorted(self._codes, key=by_number if self._reading.by_value else None)


def by_number(name: str) -> tuple[bool, Decimal, str]:
    """Sorts names that are numbers by their value, before all others by their letters."""
    try:
        number = Decimal(name)
    except InvalidOperation:
        number = Decimal("NaN")
    return (False, number, name) if number.is_finite() else (True, Decimal(0), name)


def _kind(reading: ColumnReading) -> ColumnKind:
    return "date" if reading.kind == "date" else "number"
