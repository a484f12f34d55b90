"""Rows of a table become the matrix that training made of such rows."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hpsearch.errors import InvalidInput
from hpsearch.inference.row_reader import RowReader, joined_readers, reader_of
from hpsearch.spec.wire.upload import ColumnReading
from hpsearch.training.data.encoding import Encoding, fit_encoding
from hpsearch.training.uploads.table import Column

NAN = float("nan")


def reader(*columns: Column, rows: Any) -> RowReader:
    return reader_of([fit_encoding(columns, np.array(rows, dtype=np.float64))])


def test_numbers_and_text_of_one_column_are_each_read_as_they_are() -> None:
    reading = ColumnReading(kind="number", decimal=",", thousands=".")
    found = reader(Column("price", reading=reading), rows=[[0.0]])
    rows = [{"price": price} for price in ("1.234,5", 1.5, 7, " 8 ", None, "n/a", np.float32(0.5))]
    expected = [1234.5, 1.5, 7.0, 8.0, NAN, NAN, 0.5]
    for x in (rows, pd.DataFrame(rows)):
        np.testing.assert_array_equal(found.read(x).x[:, 0], expected)


def test_every_column_with_an_unreadable_cell_is_named_at_once() -> None:
    found = reader(
        Column("size", reading=ColumnReading(kind="number")),
        Column("at", "date", reading=ColumnReading(kind="date", date_order="dmy")),
        Column("town", "category", ("Ulm",), ColumnReading(kind="category")),
        Column("depth", reading=ColumnReading(kind="number")),
        rows=[[1, 0, 0, 2]],
    )
    rows = [
        {"size": 1, "at": "31.01.2024", "town": "Ulm", "depth": 2},
        {"size": "wide", "at": "2024-01-31", "town": 3, "depth": 2},
        {"size": float("inf"), "at": "31.31.2024", "town": None, "depth": 2},
    ]
    with pytest.raises(InvalidInput) as refused:
        found.read(rows)
    errors = {error.path: error.message for error in refused.value.errors}
    assert list(errors) == ["x.1.size", "x.2.at"]
    assert errors["x.1.size"].startswith("must be a finite number, got 'wide' and 1 row more; ")
    assert errors["x.2.at"].startswith(
        "must be a date, written in the order day, month, year, got '31.31.2024'; correct it"
    )


@pytest.mark.parametrize(
    ("reading", "categories", "cells", "expected"),
    [
        (
            ColumnReading(kind="boolean"),
            ("false", "true"),
            [True, "TRUE", 1, 1.0, " true", False, "0", "maybe", None],
            [1, 1, 1, 1, 1, 0, 0, -1, NAN],
        ),
        (
            ColumnReading(kind="category", by_value=True),
            ("1", "2.5", "10"),
            [1, 1.0, "1", "1.0", "2.50", 2.5, " 10 ", "010", 3, NAN],
            [0, 0, 0, 0, 1, 1, 2, 2, -1, NAN],
        ),
        (
            ColumnReading(kind="category"),
            ("007", "7", "true"),
            ["007", "7", 7, 7.0, " 007", True, "07", "<NA>"],
            [0, 1, 1, 1, 0, 2, -1, NAN],
        ),
    ],
)
def test_categories_are_known_in_every_form(
    reading: ColumnReading, categories: tuple[str, ...], cells: list[Any], expected: list[float]
) -> None:
    codes = [[code] for code in range(len(categories))]
    found = reader(Column("c", "category", categories, reading), rows=codes)
    rows = found.read([{"c": cell} for cell in cells])
    np.testing.assert_array_equal(rows.x[:, 0], expected)
    assert rows.unknown["c"].rows == expected.count(-1)
    for cell, code in zip(cells, expected, strict=True):  # alone, in the type that it has
        np.testing.assert_array_equal(found.read(pd.DataFrame({"c": [cell]})).x, [[code]])


def test_dates_are_seconds_in_every_form() -> None:
    column = Column("at", "date", reading=ColumnReading(kind="date", date_order="mdy"))
    found = reader(column, rows=[[0.0]])
    moment = datetime.datetime(2024, 5, 6, 7, 8)
    expected = moment.replace(tzinfo=datetime.UTC).timestamp()
    for cell in (
        moment,
        pd.Timestamp(moment),
        np.datetime64(moment),
        moment.isoformat(),
        "5/6/2024 07:08",
        "2024-05-06T09:08+02:00",
        pd.Timestamp(moment, tz="UTC"),
    ):
        assert found.read([{"at": cell}]).x.tolist() == [[expected]]
        assert found.read(pd.DataFrame({"at": [cell]})).x.tolist() == [[expected]]


EARLY = [
    {"name": "n", "place": 0, "fill": 1.5, "categories": [], "kept": []},
    {
        "name": "c", "place": 1, "fill": 0.0, "kept": [0, 1, 2, 3, 4],
        "categories": ["-", "1.0", "TRUE", "a ", "oak"],
    },
]  # fmt: skip


def test_a_model_of_an_early_release_knows_its_categories_in_every_form() -> None:
    """It named them by their text as it was written, and knows no reading."""
    found = reader_of([Encoding.from_json(EARLY)])
    cells = ["-", "1.0", 1, 1.0, "1", "TRUE", True, "true", "a", "a ", "oak", "?", "elm"]
    rows = found.read([{"n": "2", "c": cell} for cell in cells])
    np.testing.assert_array_equal(rows.x[:, 1], [0, 1, 1, 1, 1, 2, 2, 2, 3, 3, 4, NAN, -1])
    assert rows.x[0, 0] == 2
    assert rows.unknown["c"].values == ("elm",)


def test_models_that_read_alike_know_what_one_of_them_knows() -> None:
    column = Column("c", "category", ("p", "q", "r"), ColumnReading(kind="category"))
    readers = [reader(column, rows=[[code]]) for code in (0, 2)]
    rows = joined_readers(readers).read([{"c": cell} for cell in "pqr"])
    assert rows.x[:, 0].tolist() == [0, -1, 2]
    assert (rows.unknown["c"].rows, rows.unknown["c"].first_row) == (1, 1)
    other = Column("c", "category", ("q", "r"), ColumnReading(kind="category"))
    for strange in (
        reader(other, rows=[[1]]),
        reader(Column("c", reading=ColumnReading(kind="number")), rows=[[1]]),
        reader(Column("d", "category", ("p",), ColumnReading(kind="category")), rows=[[0]]),
    ):
        with pytest.raises(ValueError, match="models"):
            joined_readers([readers[1], strange])


def test_rare_ones_of_many_categories_are_not_unknown() -> None:
    names = tuple(f"c{code:03}" for code in range(300))
    column = Column("c", "category", names, ColumnReading(kind="category"))
    codes = [[code] for code in (*range(300), *range(256))]
    rows = reader(column, rows=codes).read([{"c": "c000"}, {"c": "c299"}, {"c": "c300"}])
    assert rows.x[:, 0].tolist() == [0, -1, -1]
    assert rows.unknown["c"].values == ("c300",)


def test_rows_by_position_are_those_of_arrays_alone() -> None:
    found = reader(Column("x0"), Column("x1"), rows=[[1, 2]])
    assert found.read([[1, None], [3, 4]]).x.tolist()[1] == [3, 4]
    np.testing.assert_array_equal(found.read(np.array([[1, NAN]])).x, [[1, NAN]])
    assert found.read([{"x1": 5}]).x[0, 1] == 5
    for x, sentence in (
        (np.zeros((2, 3)), r"must have the shape \[rows, 2\], got \[2, 3\]"),
        ([1.0, 2.0], r"got \[2\]; put a single row in \[\]"),
        ([[1, "wide"]], "must hold numbers, got 'wide'"),
        ([[1, float("inf")]], "must hold finite numbers, got infinity"),
    ):
        with pytest.raises(InvalidInput, match=sentence):
            found.read(x)
    named = reader(Column("a"), Column("b"), rows=[[1, 2]])
    with pytest.raises(InvalidInput, match="must map columns to values"):
        named.read(np.zeros((2, 2)))
