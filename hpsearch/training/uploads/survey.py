"""What is known of a column once all its rows went by, in memory that does not grow with them.

Nothing is decided here: `decisions` does so at the end, by all rows of all columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from hpsearch.spec.wire.upload import ColumnReading, ColumnUse
from hpsearch.training.uploads.cells import cell_texts, plain_cells
from hpsearch.training.uploads.date_formats import DATE_LIKE
from hpsearch.training.uploads.distinct import DistinctCounter, number_hashes, text_hashes
from hpsearch.training.uploads.number_formats import FORMATS, NUMBER_LIKE, parse_numbers
from hpsearch.training.uploads.readings import read_numbers, typed_numbers
from hpsearch.training.uploads.tallies import MOST_TEXTS, DateTally, NumberTally, TextTally
from hpsearch.training.uploads.text_shapes import ShapedTexts

if TYPE_CHECKING:
    import pyarrow as pa

CellType = Literal["none", "text", "number", "boolean", "date", "nested"]
"""Of a column's cells: `none` while all are null; `nested` such as lists, which no model takes."""

MOST_TARGET_TEXTS = 4096
"""Different texts of a target that are counted one by one; classes are fewer by far."""
FIRST_INEXACT = 2.0**53
"""The first whole number whose successor is no float64."""
BLOCK_BYTES = 1 << 21
EXAMPLES = 3
EXAMPLE_ROWS = 10_000
"""The rows in which examples are looked for."""
EXAMPLE_CHARACTERS = 60


def sketch_size(columns: int) -> int:
    """How many different values are counted exactly, so that all columns together stay small."""
    return min(max((1 << 21) // max(columns, 1), 256), 1 << 16)


_LIKE = f"{NUMBER_LIKE}|{DATE_LIKE}"
_DATES = ColumnReading(kind="date")


class ColumnSurvey:
    """Counts of one column's cells."""

    def __init__(
        self,
        name: str,
        *,
        is_target: bool = False,
        use: ColumnUse | None = None,
        sketch_size: int = 4096,
    ) -> None:
        """Starts with no row.

        Args:
            name: the column's.
            is_target: whether it is learned.
            use: what a person said that it holds; none where nothing was said.
            sketch_size: how many different values are counted exactly.
        """
        self.name = name
        self.is_target = is_target
        self.use = use
        self.cell_type: CellType = "none"
        self.type_name = ""
        """What Arrow calls the type of its cells."""
        self.rows = 0
        self.missing = 0
        self.first_missing: int | None = None
        """The first row without a value, 0-based."""
        self.examples: list[str] = []
        """Its first different values, as they were written."""
        self.numbers = NumberTally()
        self.dates = DateTally(accepts_digits=use == "date")
        self.texts = TextTally(min(MOST_TEXTS, sketch_size // 4))
        self.values: dict[str, int] | None = {} if is_target else None
        """Of a target: rows by text; none where there are more than MOST_TARGET_TEXTS."""
        self._distinct = DistinctCounter(sketch_size)
        self._first_count: float | None = None
        self._counts_rows = True

    @property
    def present(self) -> int:
        """Rows with a value."""
        return self.rows - self.missing

    @property
    def parts(self) -> dict[str, int]:
        """Rows by part, where every value is one of train, validation and test."""
        parts = self.texts.parts
        return dict(parts) if parts and sum(parts.values()) == self.present else {}

    @property
    def distinct(self) -> int:
        """Different values: numbers by value, texts as they are; an estimate of very many."""
        if self.counts_rows_from is not None:
            return self.present
        return min(self._distinct.count(), self.present)

    @property
    def is_distinct_exact(self) -> bool:
        """Whether there are few enough different values to have counted each."""
        return self._distinct.is_exact or self.counts_rows_from is not None

    @property
    def counts_rows_from(self) -> int | None:
        """The first number, where every row has a whole number, one more than the row before."""
        if not self._counts_rows or self._first_count is None:
            return None
        return int(self._first_count)

    def add(self, cells: pa.Array) -> None:
        """Counts the cells of the next rows; all batches of a column are of one type."""
        self._note_type(cells)
        cells = plain_cells(cells)
        # In blocks, as what is computed of them takes several times their bytes.
        blocks = min(-(-cells.nbytes // BLOCK_BYTES), len(cells))
        size = -(-len(cells) // max(blocks, 1))
        for first in range(0, len(cells), max(size, 1)):
            self._add_block(cells.slice(first, size))

    def _add_block(self, cells: pa.Array) -> None:
        is_text = self._is_read_as_text()
        texts = cell_texts(cells) if is_text else cells
        is_present = texts.is_valid().to_numpy(zero_copy_only=False)
        missing = len(cells) - int(np.count_nonzero(is_present))
        if missing and self.first_missing is None:
            self.first_missing = self.rows + int(np.argmin(is_present))
        rows = self.rows + np.flatnonzero(is_present)
        present = texts.drop_null() if missing else texts
        self._add_examples(present, rows)
        if missing:
            self._counts_rows = False
        if len(present):
            if is_text:
                self._add_texts(present, rows)
            elif self.cell_type == "boolean":
                self.texts.add(cell_texts(present))
                self._counts_rows = False
            elif self.cell_type == "date":
                self._add_dates(present)
            elif self.cell_type == "number":
                self._add_numbers(present, rows)
            self._add_values(present)
        self.rows += len(cells)
        self.missing += missing

    def _is_read_as_text(self) -> bool:
        # Numbers are dates (20240531, 2024) by their digits, where a person calls them dates.
        asks_date = self.use == "date" and self.cell_type == "number"
        return asks_date or self.cell_type in ("text", "nested")

    def _note_type(self, cells: pa.Array) -> None:
        import pyarrow as pa

        kind = cells.type
        types = pa.types
        if types.is_dictionary(kind):
            kind = kind.value_type
        if types.is_null(kind):
            return
        self.type_name = str(kind)
        if types.is_nested(kind):
            self.cell_type = "nested"
        elif types.is_boolean(kind):
            self.cell_type = "boolean"
        elif (
            types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)
            or types.is_duration(kind)
        ):  # fmt: skip
            self.cell_type = "number"
        elif types.is_date(kind) or types.is_timestamp(kind):
            self.cell_type = "date"
        else:
            self.cell_type = "text"

    def _add_texts(self, texts: pa.Array, rows: NDArray[np.int64]) -> None:
        import pyarrow as pa

        shaped = ShapedTexts(texts, _LIKE)
        formats = self.numbers.add(shaped, texts, rows)
        is_date = self.dates.add(shaped, texts, rows)
        is_other = ~is_date & (formats == 0)
        self.texts.add(texts.filter(pa.array(is_other)) if not is_other.all() else texts)
        is_plain = (formats & 1) != 0
        plain = texts if is_plain.all() else texts.filter(pa.array(is_plain))
        values = parse_numbers(plain, FORMATS[0])
        self._count_rows(values if len(values) == len(texts) else None)
        self.numbers.whole += int(np.count_nonzero(values == np.floor(values)))
        is_exact = self._is_by_value(plain, values)
        self._distinct.add(number_hashes(values[is_exact]))
        is_value = np.zeros(len(texts), dtype=bool)
        is_value[np.flatnonzero(is_plain)[is_exact]] = True
        if not is_value.all():
            self._distinct.add(text_hashes(texts.filter(pa.array(~is_value))))

    def _is_by_value(self, texts: pa.Array, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which plain numbers are the same as others of their value, [N].

        Codes with zeros in front are not, nor integers that no float64 is.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        is_by_value = np.ones(len(texts), dtype=bool)
        if self.numbers.padded:
            padded = pc.match_substring_regex(texts, "^[+-]?0[0-9]+$")
            is_by_value &= ~padded.to_numpy(zero_copy_only=False)
        large = np.flatnonzero(np.abs(values) >= FIRST_INEXACT)
        if len(large):
            written = texts.take(pa.array(large))
            is_integer = pc.match_substring_regex(written, "^[+-]?[0-9]+$")
            integers = large[is_integer.to_numpy(zero_copy_only=False)]
            is_by_value[integers] = ~self.numbers.add_large(written.filter(is_integer))
        return is_by_value

    def _add_numbers(self, cells: pa.Array, rows: NDArray[np.int64]) -> None:
        import pyarrow as pa

        values = typed_numbers(cells)
        self.numbers.add_values(values, rows, lambda place: str(cell_texts(cells)[place]))
        is_finite = np.isfinite(values)
        self._count_rows(values if is_finite.all() else None)
        self.numbers.whole += int(np.count_nonzero(values == np.floor(values)))
        if not is_finite.all():
            self._distinct.add(text_hashes(cell_texts(cells.filter(pa.array(~is_finite)))))
        kind = cells.type
        if pa.types.is_integer(kind) or (pa.types.is_decimal(kind) and kind.scale <= 0):
            self.numbers.integers += len(cells)
            large = np.flatnonzero(np.abs(values) >= FIRST_INEXACT)
            if len(large):
                written = cell_texts(cells.take(pa.array(large)))
                is_inexact = self.numbers.add_large(written)
                self._distinct.add(text_hashes(written.filter(pa.array(is_inexact))))
                is_finite[large[is_inexact]] = False
        self._distinct.add(number_hashes(values[is_finite]))

    def _add_dates(self, cells: pa.Array) -> None:
        seconds, _ = read_numbers(_DATES, cells)
        self.dates.add_typed(seconds)
        self._distinct.add(number_hashes(seconds))
        self._counts_rows = False

    def _count_rows(self, values: NDArray[np.float64] | None) -> None:
        """Looks whether these numbers go on counting the rows; none where some cell is none."""
        if not self._counts_rows or values is None or values[0] != np.floor(values[0]):
            self._counts_rows = False
            return
        if self._first_count is None:
            self._first_count = float(values[0])
        expected = self._first_count + self.rows + np.arange(len(values))
        is_exact = np.abs(expected[-1]) < FIRST_INEXACT
        self._counts_rows = bool(is_exact) and np.array_equal(values, expected)

    def _add_examples(self, cells: pa.Array, rows: NDArray[np.int64]) -> None:
        if len(self.examples) == EXAMPLES or not len(rows) or rows[0] >= EXAMPLE_ROWS:
            return
        early = cells.slice(0, int(np.searchsorted(rows, EXAMPLE_ROWS))).unique()
        for text in cell_texts(early.slice(0, 2 * EXAMPLES)).to_pylist():
            example = (
                text if len(text) <= EXAMPLE_CHARACTERS else text[: EXAMPLE_CHARACTERS - 1] + "…"
            )
            if example not in self.examples and len(self.examples) < EXAMPLES:
                self.examples.append(example)

    def _add_values(self, cells: pa.Array) -> None:
        if self.values is None:
            return
        encoded = cells.dictionary_encode()
        if len(encoded.dictionary) > MOST_TARGET_TEXTS:
            self.values = None
            return
        counts = np.bincount(encoded.indices.to_numpy(), minlength=len(encoded.dictionary))
        texts = cell_texts(encoded.dictionary).to_pylist()
        for text, count in zip(texts, counts.tolist(), strict=True):
            self.values[text] = self.values.get(text, 0) + count
        if len(self.values) > MOST_TARGET_TEXTS:
            self.values = None
