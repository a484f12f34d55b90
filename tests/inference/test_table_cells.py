"""Rows of a table in every form that people have them in, as cells by column."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from hpsearch.errors import InvalidInput
from hpsearch.inference.table_cells import table_cells

COLUMNS = ("age", "town")


class Stream:
    """A frame that Arrow can read, as those of polars and others are."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self.columns = table.column_names

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._table.__arrow_c_stream__(requested_schema)


def values(x: Any) -> dict[str, list[Any]]:
    """Each column's cells, whatever arrays they stand in."""
    cells = table_cells(x, COLUMNS)

    def merged(rows: Iterator[tuple[Any, ...]]) -> list[Any]:
        return [next((cell for cell in row if cell is not None), None) for row in rows]

    return {
        name: merged(zip(*(part.to_pylist() for part in parts), strict=True))
        for name, parts in cells.columns.items()
    }


def test_frames_and_mappings_give_the_same_cells() -> None:
    rows: list[dict[str, Any]] = [{"age": 3, "town": "Ulm"}, {"age": None, "town": None}]
    expected = {"age": [3, None], "town": ["Ulm", None]}
    table = pa.Table.from_pylist(rows)
    frame = pd.DataFrame(rows)
    for x in (
        rows,
        [{"town": "Ulm", "age": 3, "more": []}, {"age": None}],
        np.array(rows, dtype=object),
        table,
        table.to_batches()[0],
        table.select(["town", "age"]),
        Stream(table),
        Stream(table.cast(pa.schema([("age", pa.int16()), ("town", pa.large_string())]))),
        Stream(table.cast(pa.schema([("age", pa.int8()), ("town", pa.string_view())]))),
        frame,
        frame.astype({"age": "Int64", "town": "category"}),
        frame.astype(object),
        frame.convert_dtypes(dtype_backend="pyarrow"),
    ):
        assert values(x) == expected
    assert table_cells([], COLUMNS).rows == table_cells(frame.iloc[:0], COLUMNS).rows == 0


def test_text_stands_apart_where_there_are_other_values_too() -> None:
    """As one text, 1.5 would be fifteen in a column whose thousands are grouped by points."""
    rows = [{"age": "1.500"}, {"age": 1.5}, {"age": None}]
    for x in (rows, pd.DataFrame(rows).assign(town=None)):
        cells = table_cells(x, COLUMNS)
        texts, others = cells.columns["age"]
        assert texts.to_pylist() == ["1.500", None, None]
        assert others.to_pylist() == [None, 1.5, None]


class Lazy:
    """A frame whose rows are not there yet, such as a LazyFrame of polars."""

    columns = list(COLUMNS)


@pytest.mark.parametrize(
    ("x", "sentence"),
    [
        ([[3, "Ulm"]], r"x\.0: must map columns to values, got \[3, 'Ulm'\]"),
        ({"age": 3}, "must be a DataFrame or a list of rows, got dict"),
        ([{"years": 3}], "must have some of the columns age, town, got {'years': 3}"),
        ([{"Age": 3}], r"x\.0: must have the column age, got 'Age'; rename it"),
        ([{"age": 1}, {"age": 3, " Town": ""}], r"x\.1: must have the column town, got ' Town'"),
        ("age", "must be a DataFrame or a list of rows, got str"),
        (pd.Series({"age": 3}), "must be a DataFrame or a list of rows, got Series"),
        (pd.DataFrame({"age": [3]}), "the columns age, town, and town is not among age; add"),
        (pd.DataFrame({"age": [3], "TOWN": "Ulm"}), "must have the column town, got 'TOWN'"),
        (pd.DataFrame([[3, 4, "Ulm"]], columns=["age", "age", "town"]), "got 'age' more often"),
        (Lazy(), "must be a DataFrame or a list of rows, got Lazy; collect it first"),
        (pa.table({"age": [3]}), "and town is not among age; add what is missing"),
    ],
)
def test_what_are_no_rows_of_a_table_is_refused(x: Any, sentence: str) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        table_cells(x, COLUMNS)
