"""A cell of a table before its column is decided: typed or text, with one normal text.

Every way in (CSV, Parquet, npz, a DataFrame, a list of rows) comes through here, so that a value
is the same cell wherever it comes from.

plain cells     an Arrow array of one of: text, truth values, integers, float64, decimals, dates,
                timestamps, or nothing but null.
missing mark    what a text cell says where it has no value: null, like None, NaN and NaT.
"""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa

MISSING_MARKS: tuple[str, ...] = (
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN",
    "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
    "?", "-", "NaT", "#VALUE!", "#DIV/0!",
)  # fmt: skip
"""What stands for a missing value, in this case and without spaces around: what pandas takes for
one (`pandas.read_csv`, `na_values`), and question mark, dash, NaT and spreadsheets' errors."""


def cells_of(values: Iterable[Any]) -> pa.Array:
    """Values as plain cells; null where one is missing (None, NaN, NaT, pandas.NA, masked).

    Args:
        values: Python's, or an array or a series of NumPy, pandas, polars or Arrow. Those of
            several types become text, each by its normal form.
    """
    import pyarrow as pa

    if hasattr(values, "to_arrow"):
        values = values.to_arrow()
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return plain_cells(values)
    if isinstance(values, np.ndarray):
        values = _native(values)
    elif not hasattr(values, "dtype"):
        values = list(values)
    try:
        cells = pa.array(values, from_pandas=True)
    except (pa.ArrowException, OverflowError, TypeError, ValueError):
        return _texts_of_mixed(list(values))
    if isinstance(cells.type, pa.BaseExtensionType):
        return _texts_of_mixed(list(values))
    is_cut = pa.types.is_date(cells.type) and isinstance(values, list)
    if is_cut and any(isinstance(value, datetime.datetime) for value in values):
        # Arrow has cut the time off, as days and times stand together.
        return _texts_of_mixed(list(values))
    return plain_cells(cells)


def plain_cells(cells: pa.Array | pa.ChunkedArray) -> pa.Array:
    """An Arrow array [N] as plain cells; never fails.

    Categories are written out, NaN becomes null, a duration its seconds, a time of day its text,
    and what holds several values (a list, a record) the text that Python has for it.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(cells, pa.ChunkedArray):
        cells = cells.combine_chunks()
    types, kind = pa.types, cells.type
    if types.is_dictionary(kind):
        # The categories first: Arrow cannot write out those of polars, which are text views.
        return plain_cells(cells.dictionary).take(cells.indices)
    if types.is_string(kind) or types.is_null(kind) or types.is_boolean(kind):
        return cells
    if types.is_integer(kind) or types.is_decimal(kind):
        return cells
    if types.is_date(kind) or types.is_timestamp(kind):
        return cells
    if types.is_floating(kind):
        numbers = cells.cast(pa.float64())
        return pc.if_else(pc.is_nan(numbers), pa.scalar(None, pa.float64()), numbers)
    if types.is_large_string(kind) or types.is_string_view(kind):
        return cells.cast(pa.string())
    if types.is_duration(kind):
        microseconds = cells.cast(pa.duration("us"), safe=False).cast(pa.int64())
        return pc.divide(microseconds.cast(pa.float64(), safe=False), 1e6)
    if types.is_time(kind):
        return pc.replace_substring_regex(cells.cast(pa.string()), r"\.0+$", "")
    return _texts_of_mixed(cells.to_pylist())


def cell_texts(cells: pa.Array) -> pa.Array:
    """The normal text of each cell [N], null where it is missing or says a missing mark.

    Text is trimmed of every Unicode space. Truth values are `true` and `false`; whole numbers
    have all their digits and no point, others the shortest form that reads back as the same
    float64; dates are in ISO form (2024-05-31, 2024-05-31 08:30:00), with Z where they name a
    zone.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    cells = plain_cells(cells)
    types, kind = pa.types, cells.type
    if types.is_string(kind):
        trimmed = pc.utf8_trim_whitespace(cells)
        is_mark = pc.is_in(trimmed, value_set=pa.array(MISSING_MARKS))
        return pc.if_else(is_mark, pa.scalar(None, pa.string()), trimmed)
    if types.is_boolean(kind):
        return pc.if_else(cells, "true", "false")
    if types.is_floating(kind):
        return float_texts(cells)
    if types.is_decimal(kind):
        return _decimal_texts(cells)
    if types.is_timestamp(kind):
        return _timestamp_texts(cells)
    return cells.cast(pa.string())


def float_texts(numbers: pa.Array) -> pa.Array:
    """Texts of float64 cells: all digits of whole ones, else the shortest form."""
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = numbers.cast(pa.string())
    values: NDArray[np.float64] = numbers.to_numpy(zero_copy_only=False)
    whole = np.isfinite(values) & (np.floor(values) == values)
    fits = whole & (np.abs(values) < 2.0**63)
    if fits.any():
        integers = pa.array(np.where(fits, values, 0.0).astype(np.int64)).cast(pa.string())
        texts = pc.if_else(pa.array(fits), integers, texts)
    large = np.flatnonzero(whole & ~fits)
    if len(large):
        written = texts.to_pylist()
        for row in large.tolist():
            written[row] = str(int(values[row]))
        texts = pa.array(written, pa.string())
    return texts


def _decimal_texts(cells: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    if cells.type.scale < 0:
        cells = cells.cast(pa.decimal128(38, 0))
    texts = pc.replace_substring_regex(cells.cast(pa.string()), r"\.0+$", "")
    whole = pc.match_substring_regex(texts, r"^-?[0-9]+$")
    if pc.all(whole, min_count=0).as_py():
        return texts
    return pc.if_else(whole, texts, float_texts(texts.cast(pa.float64())))


def _timestamp_texts(cells: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = cells.cast(pa.timestamp(cells.type.unit)).cast(pa.string())
    texts = pc.replace_substring_regex(texts, r"(\.[0-9]*?)0+$", r"\1")
    texts = pc.replace_substring_regex(texts, r"\.$", "")
    if cells.type.tz is not None:
        return pc.binary_join_element_wise(texts, "Z", "")
    return pc.replace_substring_regex(texts, r" 00:00:00$", "")


def _native(values: NDArray[Any]) -> NDArray[Any]:
    """An array of a type that Arrow takes."""
    if values.dtype.kind == "f" and values.dtype.itemsize > 8:
        return values.astype(np.float64)
    if not values.dtype.isnative:
        return values.astype(values.dtype.newbyteorder("="))
    return values


def _texts_of_mixed(values: list[Any]) -> pa.Array:
    """Normal texts [N] of values of several types, or of one that Arrow has not."""
    import pyarrow as pa

    texts: list[str | None] = [None] * len(values)
    rows_of: dict[type, list[int]] = {}
    for row, value in enumerate(values):
        if is_missing(value):
            continue
        family = _family(value)
        if family is object:
            texts[row] = _python_text(value)
        else:
            rows_of.setdefault(family, []).append(row)
    for family, rows in rows_of.items():
        part = [family(values[row]) if family in (bool, float) else values[row] for row in rows]
        for row, text in zip(rows, cell_texts(pa.array(part)).to_pylist(), strict=True):
            texts[row] = text
    return pa.array(texts, pa.string())


def _family(value: Any) -> type:
    """The type whose normal form a value has; `object` where Python writes it."""
    if isinstance(value, bool | np.bool_):
        return bool
    if isinstance(value, float | np.floating):
        return float
    if isinstance(value, decimal.Decimal):
        return object if value.is_finite() and value == value.to_integral_value() else float
    if isinstance(value, datetime.datetime):
        # Those with and without a zone are no array of one type.
        return datetime.datetime if value.tzinfo is None else datetime.tzinfo
    return object


def _python_text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace").strip()
    if isinstance(value, int | np.integer | decimal.Decimal):
        return str(int(value))
    # What is no Unicode (JSON may hold half a surrogate pair) is written out, as Arrow refuses it.
    return str(value).strip().encode("utf-8", "backslashreplace").decode()


def is_missing(value: Any) -> bool:
    """Whether a value is none, or is not equal to itself: NaN, NaT, pandas' NA."""
    if value is None:
        return True
    if isinstance(value, str | list | tuple | dict | np.ndarray):
        return False
    different = value != value
    return not isinstance(different, bool | np.bool_) or bool(different)
