"""The values of a column's cells, by the reading that was decided for it once.

Training data and rows to predict go through these two functions, whatever file, frame or request
they come in, and so mean the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hpsearch.spec.wire.upload import ColumnReading
from hpsearch.training.uploads.cells import cell_texts, float_texts, plain_cells
from hpsearch.training.uploads.date_formats import parse_dates
from hpsearch.training.uploads.number_formats import NumberFormat, parse_numbers

if TYPE_CHECKING:
    import pyarrow as pa

TRUE, FALSE = "true", "false"


def read_numbers(
    reading: ColumnReading, cells: pa.Array
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The values of a column of numbers or dates, [N], and which cells are unreadable, [N].

    Dates are seconds since 1970, UTC. A value is NaN where it is missing or unreadable: present,
    but no such number or date, or infinite. Typed cells keep every bit; text becomes the nearest
    float64.
    """
    import pyarrow as pa

    cells = plain_cells(cells)
    kind = cells.type
    is_text = pa.types.is_string(kind)
    texts = cell_texts(cells) if is_text else cells
    missing = texts.is_null().to_numpy(zero_copy_only=False)
    values = np.full(len(cells), np.nan)
    if reading.kind == "date":
        values[~missing] = _dates(texts.drop_null(), reading)
    elif is_text:
        form = NumberFormat(reading.decimal, reading.thousands)
        values[~missing] = parse_numbers(texts.drop_null(), form)
    elif not pa.types.is_null(kind) and not pa.types.is_temporal(kind):
        values[~missing] = typed_numbers(cells.drop_null())
    return values, np.isnan(values) & ~missing


def typed_numbers(cells: pa.Array) -> NDArray[np.float64]:
    """Numbers [N] of cells that have a type and are not missing; NaN where infinite."""
    import pyarrow as pa

    if pa.types.is_decimal(cells.type):
        # By its text, which is rounded once; Arrow's cast is not always to the nearest.
        cells = cells.cast(pa.string())
    numbers = cells.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return np.where(np.isfinite(numbers), numbers, np.nan)


def read_keys(reading: ColumnReading, cells: pa.Array) -> pa.Array:
    """The category of each cell [N] as text; null where it is missing.

    Of truth values `true` or `false` (1, "1", "TRUE" and True alike); by value a number's
    shortest form (1, 1.0, "1" and "1.0" alike); else the cell's normal text. What is no truth
    value or number is its text all the same: a category that no training row had.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    cells = plain_cells(cells)
    if reading.kind == "boolean":
        return _truth_values(cells)
    if not reading.by_value:
        return cell_texts(cells)
    if pa.types.is_boolean(cells.type):
        return pc.if_else(cells, "1", "0")
    texts = cell_texts(cells)
    return _by_value(reading, texts) if pa.types.is_string(cells.type) else texts


def _dates(cells: pa.Array, reading: ColumnReading) -> NDArray[np.float64]:
    """Seconds [N] of cells that are not missing; NaN for what is no date."""
    import pyarrow as pa

    kind = cells.type
    if pa.types.is_null(kind) or pa.types.is_boolean(kind):
        return np.full(len(cells), np.nan)
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        times = cells.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
        seconds: NDArray[np.float64] = times.to_numpy(zero_copy_only=False) / 1e6
        return seconds
    return parse_dates(cell_texts(cells), reading.date_order)


def _truth_values(cells: pa.Array) -> pa.Array:
    """`true` or `false` by cell; other texts as they are."""
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = cell_texts(cells)
    if pa.types.is_boolean(cells.type):
        return texts
    lower = pc.utf8_lower(texts)
    is_true = pc.is_in(lower, value_set=pa.array([TRUE, "1", "1.0"]))
    is_false = pc.is_in(lower, value_set=pa.array([FALSE, "0", "0.0"]))
    return pc.if_else(is_true, TRUE, pc.if_else(is_false, FALSE, texts))


def _by_value(reading: ColumnReading, texts: pa.Array) -> pa.Array:
    """Numbers' texts in their shortest form, all digits of whole ones; other texts as they are."""
    import pyarrow as pa
    import pyarrow.compute as pc

    encoded = texts.dictionary_encode()
    names = encoded.dictionary
    numbers = parse_numbers(names, NumberFormat(reading.decimal, reading.thousands))
    keys = pc.coalesce(float_texts(pa.array(numbers, from_pandas=True)), names)
    # Digits alone stay exact beyond 2^53, where float64 has not every whole number.
    digits = pc.match_substring_regex(names, r"^[+-]?[0-9]{16,}$")
    exact = pc.replace_substring_regex(names, r"^\+?(-?)0*([0-9])", r"\1\2")
    keys = pc.if_else(digits, exact, keys)
    return pa.DictionaryArray.from_arrays(encoded.indices, keys).dictionary_decode()
