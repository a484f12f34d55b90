"""What is counted of a column's cells, kind by kind, so that all rows together decide.

Each tally holds sums and first occurrences alone, so it is the same however the rows come in
batches.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpsearch.training.uploads.date_formats import DATE_ORDERS, DateOrder, date_groups, date_shape
from hpsearch.training.uploads.number_formats import (
    FORMATS,
    formats_of,
    number_shape,
    parse_numbers,
)
from hpsearch.training.uploads.table import SPLIT_NAMES
from hpsearch.training.uploads.text_shapes import FIRST_ZERO, ShapedTexts

if TYPE_CHECKING:
    import pyarrow as pa

MOST_TEXTS = 256
"""Different texts that are kept of a column, to compare them."""
LONGEST_TEXT = 200
"""Characters of such a text."""
MOST_UNITS = 8


class Cell(NamedTuple):
    """A cell for a message."""

    row: int
    """0-based."""
    text: str


class NumberTally:
    """How many cells are numbers, in each format, and what else is to be known of them."""

    def __init__(self) -> None:
        self.readable = np.zeros(len(FORMATS), dtype=np.int64)
        """Cells that are a number in a format, by its position in FORMATS."""
        self.first_unreadable: list[Cell | None] = [None] * len(FORMATS)
        self.integers = 0
        """Cells of digits alone, or of an integer type."""
        self.whole = 0
        """Cells that are whole numbers in the plain format: 3 and 3.0."""
        self.padded = 0
        """Integers with zeros in front."""
        self.first_padded: str = ""
        self._first_padded_row: int | None = None
        self.inexact = 0
        """Integers that no float64 is."""
        self.first_inexact: str = ""
        self.units: dict[str, int] = {}
        """Cells by their currency or percent sign."""

    def add(
        self, shaped: ShapedTexts, texts: pa.Array, rows: NDArray[np.int64]
    ) -> NDArray[np.uint8]:
        """Counts texts [N] without null at rows [N].

        Returns:
            The formats in which each is a number, [N]: bit i for FORMATS[i].
        """
        masks = np.array([formats_of(shape) for shape in shaped.shapes], dtype=np.uint8)
        cells = np.zeros(len(texts), dtype=np.uint8)
        cells[shaped.rows] = masks[shaped.codes] if len(masks) else 0
        counts = np.bincount(shaped.codes, minlength=len(masks))
        for code in np.flatnonzero(masks).tolist():
            self._add_shape(shaped, code, int(counts[code]), texts, rows, cells)
        for bit in range(len(FORMATS)):
            is_readable = (cells & (1 << bit)) != 0
            count = int(np.count_nonzero(is_readable))
            self.readable[bit] += count
            if count < len(texts) and self.first_unreadable[bit] is None:
                place = int(np.argmin(is_readable))
                self.first_unreadable[bit] = Cell(int(rows[place]), texts[place].as_py())
        return cells

    def _add_shape(
        self,
        shaped: ShapedTexts,
        code: int,
        count: int,
        texts: pa.Array,
        rows: NDArray[np.int64],
        cells: NDArray[np.uint8],
    ) -> None:
        """Counts what all cells of a shape have in common; unmarks those that are infinite."""
        shape = shaped.shapes[code]
        mask = formats_of(shape)
        found = number_shape(shape, FORMATS[(mask & -mask).bit_length() - 1])
        if found is None:
            return
        if not found.is_surely_finite:
            places = shaped.rows[shaped.codes == code]
            for bit, other in enumerate(FORMATS):
                if mask & (1 << bit):
                    infinite = np.isnan(parse_numbers(texts.take(places), other))
                    cells[places[infinite]] &= 255 ^ (1 << bit)
        if found.unit and (found.unit in self.units or len(self.units) < MOST_UNITS):
            self.units[found.unit] = self.units.get(found.unit, 0) + count
        if not found.is_integer:
            return
        self.integers += count
        first, last = found.core
        if shape[first] == ord(FIRST_ZERO) and last - first > 1:
            self.padded += count
            place = int(shaped.rows[int(np.argmax(shaped.codes == code))])
            row = int(rows[place])
            if self._first_padded_row is None or row < self._first_padded_row:
                self._first_padded_row, self.first_padded = row, texts[place].as_py()

    def add_values(
        self, values: NDArray[np.float64], rows: NDArray[np.int64], text_of: Callable[[int], str]
    ) -> None:
        """Counts typed numbers [N] at rows [N], all of which are present."""
        is_readable = np.isfinite(values)
        self.readable += int(np.count_nonzero(is_readable))
        if not is_readable.all() and self.first_unreadable[0] is None:
            place = int(np.argmin(is_readable))
            self.first_unreadable = [Cell(int(rows[place]), text_of(place))] * len(FORMATS)

    def add_large(self, texts: pa.Array) -> NDArray[np.bool_]:
        """Counts integers, given as text, that may be no float64; returns which are none, [N]."""
        import pyarrow as pa

        try:
            integers = texts.cast(pa.int64()).to_numpy()
            values = integers.astype(np.float64)
            # 2^63 is no int64, so what is rounded to it is inexact.
            fits = values < 2.0**63
            inexact: NDArray[np.bool_] = ~fits
            inexact[fits] = values[fits].astype(np.int64) != integers[fits]
        except pa.ArrowInvalid:
            written = texts.to_pylist()
            inexact = np.array([int(text) != int(float(text)) for text in written], dtype=bool)
        if inexact.any():
            self.first_inexact = self.first_inexact or texts[int(np.argmax(inexact))].as_py()
            self.inexact += int(np.count_nonzero(inexact))
        return inexact


class DateTally:
    """How many cells are dates, in each order."""

    def __init__(self, *, accepts_digits: bool) -> None:
        """Counts dates of digits alone too, such as 20240531, where a person calls them dates."""
        self._accepts_digits = accepts_digits
        self.readable = dict.fromkeys(DATE_ORDERS, 0)
        self.first_unreadable: dict[DateOrder, Cell | None] = dict.fromkeys(DATE_ORDERS)
        self.with_dots = 0
        """Cells such as 31.05.2024, whose first number is a day."""
        self.with_zone = 0
        self.with_time = 0
        """Cells with a time of day, of which those with a zone are some."""
        self.first_of_two_orders: str = ""

    def add(
        self, shaped: ShapedTexts, texts: pa.Array, rows: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Counts texts [N] without null at rows [N]; returns which are a date in any order, [N]."""
        if not any(date_shape(shape) for shape in shaped.shapes):
            for order, cell in self.first_unreadable.items():
                self.first_unreadable[order] = cell or Cell(int(rows[0]), texts[0].as_py())
            return np.zeros(len(texts), dtype=bool)
        readable = {order: np.zeros(len(texts), dtype=bool) for order in DATE_ORDERS}
        first_place = len(texts)
        for group in date_groups(shaped):
            shape = group.shape
            if shape.form == "digits" and not self._accepts_digits:
                continue
            for order, exists in group.exists.items():
                readable[order][group.rows[exists]] = True
            self.with_time += len(group.rows) if shape.has_time else 0
            self.with_zone += len(group.rows) if shape.has_zone else 0
            if shape.form in ("two_orders", "short_year"):
                first_place = min(first_place, int(group.rows[0]))
                self.with_dots += len(group.rows) if shape.separator == b"." else 0
        if first_place < len(texts) and not self.first_of_two_orders:
            self.first_of_two_orders = texts[first_place].as_py()
        for order, flags in readable.items():
            count = int(np.count_nonzero(flags))
            self.readable[order] += count
            if count < len(texts) and self.first_unreadable[order] is None:
                place = int(np.argmin(flags))
                self.first_unreadable[order] = Cell(int(rows[place]), texts[place].as_py())
        found: NDArray[np.bool_] = readable["ymd"] | readable["dmy"] | readable["mdy"]
        return found

    def add_typed(self, seconds: NDArray[np.float64]) -> None:
        """Counts dates that have a type, by their seconds since 1970 [N]."""
        for order in DATE_ORDERS:
            self.readable[order] += len(seconds)
        self.with_time += int(np.count_nonzero(seconds % 86_400))


class TextTally:
    """Of the cells that are neither numbers nor dates: words, truth values, parts of a split."""

    def __init__(self, most_texts: int = MOST_TEXTS) -> None:
        """Keeps so many different texts at most."""
        self._most_texts = most_texts
        self.cells = 0
        self.words = 0
        """One more than there are spaces in each."""
        self.characters = 0
        self.truths = {"false": 0, "true": 0}
        """Cells that say so in any case."""
        self.parts: dict[str, int] = {}
        """Cells by part, of those that name one of a split."""
        self.rows_of: dict[str, int] | None = {}
        """Rows by text; none where there are too many texts, or long ones."""

    def add(self, texts: pa.Array) -> None:
        """Counts texts without null."""
        import pyarrow.compute as pc

        if not len(texts):
            return
        encoded = texts.dictionary_encode()
        names = encoded.dictionary
        counts = np.bincount(encoded.indices.to_numpy(), minlength=len(names))
        words = pc.add(pc.count_substring(names, " "), 1)
        self.cells += len(texts)
        self.words += int(counts @ words.to_numpy())
        self.characters += int(counts @ pc.utf8_length(names).to_numpy())
        self._add_named(names, counts, SPLIT_NAMES, self.parts)
        self._add_named(pc.utf8_lower(names), counts, tuple(self.truths), self.truths)
        if self.rows_of is None:
            return
        longest = pc.max(pc.utf8_length(names)).as_py()
        if len(names) > self._most_texts or longest > LONGEST_TEXT:
            self.rows_of = None
            return
        for name, count in zip(names.to_pylist(), counts.tolist(), strict=True):
            self.rows_of[name] = self.rows_of.get(name, 0) + count
        if len(self.rows_of) > self._most_texts:
            self.rows_of = None

    @staticmethod
    def _add_named(
        names: pa.Array, counts: NDArray[np.int64], known: tuple[str, ...], into: dict[str, int]
    ) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        codes = pc.index_in(names, value_set=pa.array(known)).to_numpy(zero_copy_only=False)
        for place in np.flatnonzero(~np.isnan(codes.astype(np.float64))):
            name = known[int(codes[place])]
            into[name] = into.get(name, 0) + int(counts[place])
