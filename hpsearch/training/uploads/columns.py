"""A column of a CSV or Parquet file as numbers, categories or times.

A text column is one of numbers when most of its values are; one that then is not a number is a
fault of its row, not a category. ISO dates and times are times, anything else is categories.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hpsearch.spec.language.messages import format_value
from hpsearch.spec.wire.upload import ColumnUse
from hpsearch.training.uploads.read_options import invalid_upload
from hpsearch.training.uploads.table import Column, ColumnValues

if TYPE_CHECKING:
    import pyarrow as pa

MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "?")
"""What a text column says where it has no value."""

NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$|^[+-]?[iI]nf(inity)?$"
TIME = r"^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?)?$"


def text_column(name: str, texts: pa.Array, use: ColumnUse | None, first_row: int) -> ColumnValues:
    """A column read as text, which may hold numbers, times or categories.

    Args:
        name: the column's.
        texts: its values.
        use: what a person said that it holds; none goes by the values.
        first_row: what the first row is called in messages.

    Raises:
        InvalidInput: when one of many numbers is none, or is infinite.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    trimmed = pc.utf8_trim_whitespace(texts)
    trimmed = pc.if_else(
        pc.is_in(trimmed, value_set=pa.array(MISSING)), pa.scalar(None, pa.string()), trimmed
    )
    present = len(trimmed) - trimmed.null_count
    numeric = pc.fill_null(pc.match_substring_regex(trimmed, NUMBER), True)
    numbers = pc.sum(numeric).as_py() - trimmed.null_count
    if use == "number" or (use is None and (present == 0 or 2 * numbers > present)):
        if numbers < present:
            row = pc.index(numeric, pa.scalar(False)).as_py()
            raise _not_a_number(
                name, row + first_row, trimmed[row].as_py(), is_asked=use is not None
            )
        return _finite(name, _floats(trimmed.cast(pa.float64())), first_row)
    if use != "category" and present and _all_true(pc.match_substring_regex(trimmed, TIME)):
        times = _times(trimmed)
        if times is not None:
            return ColumnValues(Column(name, "date"), times)
    return _categories(name, trimmed)


def typed_column(
    name: str, values: pa.Array, use: ColumnUse | None, first_row: int
) -> ColumnValues:
    """A column of a Parquet file, which knows its type.

    Args:
        name: the column's.
        values: its values.
        use: what a person said that it holds; none goes by the type.
        first_row: what the first row is called in messages.

    Raises:
        InvalidInput: when it holds lists or the like, or infinite numbers.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = values.type
    if pa.types.is_dictionary(kind):
        return typed_column(name, values.cast(kind.value_type), use, first_row)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        texts = values.cast(pa.string())
        if use == "number":
            return text_column(name, texts, use, first_row)
        return _categories(name, texts)
    if pa.types.is_temporal(kind) and not pa.types.is_time(kind) and not pa.types.is_duration(kind):
        return ColumnValues(Column(name, "date"), _seconds(values))
    if pa.types.is_boolean(kind):
        return _categories(name, pc.if_else(values, "true", "false"))
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        numbers = _finite(name, _floats(values.cast(pa.float64(), safe=False)), first_row)
        if use == "category":
            return _categories(name, values.cast(pa.string()))
        return numbers
    if pa.types.is_null(kind):
        return ColumnValues(Column(name), np.full(len(values), np.nan))
    raise invalid_upload(
        f"a column must hold numbers, text, truth values or times, and {name} holds {kind}; "
        "take it out or spread it over columns"
    )


def _categories(name: str, texts: pa.Array) -> ColumnValues:
    encoded = texts.dictionary_encode()
    if hasattr(encoded, "combine_chunks"):
        encoded = encoded.combine_chunks()
    names = np.array(encoded.dictionary.to_pylist(), dtype=object)
    order = np.argsort(names, kind="stable")
    rank = np.empty(len(names))
    rank[order] = np.arange(len(names))
    codes = _floats(encoded.indices.cast("float64"))
    missing = np.isnan(codes)
    values = np.full(len(codes), np.nan)
    values[~missing] = rank[codes[~missing].astype(np.int64)]
    return ColumnValues(Column(name, "category", tuple(names[order])), values)


def _finite(name: str, values: NDArray[np.float64], first_row: int) -> ColumnValues:
    infinite = np.isinf(values)
    if infinite.any():
        row = int(np.argmax(infinite))
        raise invalid_upload(
            f"numbers must be finite, and column {name}, row {row + first_row} has "
            f"{values[row]:g}; correct it or leave the field empty"
        )
    return ColumnValues(Column(name), values)


def _not_a_number(name: str, row: int, text: str, *, is_asked: bool) -> Exception:
    remedy = "" if is_asked else f', or say columns={{"{name}": "category"}} or "ignore"'
    return invalid_upload(
        f"a column of numbers must hold nothing else, and column {name}, row {row} has "
        f"{format_value(text)}; correct it{remedy}"
    )


def _floats(values: Any) -> NDArray[np.float64]:
    """Numbers, NaN where there is none; a copy that may be written to."""
    return np.array(values.to_numpy(zero_copy_only=False), dtype=np.float64)


def _seconds(times: pa.Array) -> NDArray[np.float64]:
    import pyarrow as pa

    return _floats(times.cast(pa.timestamp("us"), safe=False).cast(pa.int64())) / 1e6


def _times(texts: pa.Array) -> NDArray[np.float64] | None:
    """Seconds; none when the texts are no times after all, such as a 30th of February."""
    import pyarrow as pa
    import pyarrow.compute as pc

    zoned = pc.match_substring_regex(texts, r"(Z|[+-]\d\d:?\d\d)$")
    # A date ends in -dd as well: only what has a clock time can have a zone.
    zoned = pc.and_(zoned, pc.match_substring_regex(texts, ":"))
    try:
        if not pc.any(zoned).as_py():
            return _seconds(texts.cast(pa.timestamp("us")))
        if _all_true(zoned):
            return _seconds(texts.cast(pa.timestamp("us", tz="UTC")))
    except pa.ArrowInvalid:
        return None
    return None


def _all_true(flags: pa.Array) -> bool:
    """Whether all rows with a value say so."""
    import pyarrow.compute as pc

    return bool(pc.all(flags, min_count=0).as_py())
