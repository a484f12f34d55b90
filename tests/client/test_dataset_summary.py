from __future__ import annotations

import re
from typing import Any

import pytest

from hpsearch.client.dataset import Dataset, DatasetInfo
from hpsearch.client.dataset_summary import (
    FEW_COLUMNS,
    MOST_COLUMNS,
    column_rows,
    headline,
    target_line,
)
from hpsearch.spec.wire.datasets import BUILT_IN
from hpsearch.spec.wire.upload import ColumnInfo, ColumnReading


def a_column(name: str, kind: Any = "number", reading: Any = None, **fields: Any) -> ColumnInfo:
    if reading is not None:
        reading = ColumnReading(kind=kind, **reading)
    return ColumnInfo(name=name, kind=kind, reading=reading, **fields)


def info_of(*columns: ColumnInfo, **fields: Any) -> DatasetInfo:
    used = sum(column.role == "feature" for column in columns)
    known = {"name": "boats", "rows": 1200, "features": (used,), "target": "numbers"}
    return DatasetInfo(**{**known, "columns": columns, **fields})


@pytest.mark.parametrize(
    ("kind", "reading", "shown"),
    [
        ("number", {}, "number"),
        ("number", {"decimal": ","}, "number 1234,5"),
        ("number", {"decimal": ",", "thousands": "."}, "number 1.234,5"),
        ("number", {"thousands": "'"}, "number 1'234.5"),
        ("date", {}, "date"),
        ("date", {"date_order": "mdy"}, "date mdy"),
        ("category", {"by_value": True}, "category"),
        ("constant", None, "constant"),
    ],
)
def test_a_column_says_in_which_form_it_is_read(kind: Any, reading: Any, shown: str) -> None:
    (row,), _ = column_rows(info_of(a_column("x", kind, reading)))
    assert row.read_as == shown


def test_an_identifier_read_as_numbers_is_still_called_an_identifier() -> None:
    column = ColumnInfo(name="x", kind="id", role="ignored", reading=ColumnReading(kind="number"))
    (row,), _ = column_rows(info_of(column))
    assert (row.read_as, row.used) == ("id", "no")


def test_every_column_of_a_narrow_table_is_shown_in_its_order() -> None:
    columns = [a_column(f"c{i}", missing=i * 1000, distinct=1500) for i in range(FEW_COLUMNS)]
    rows, rest = column_rows(info_of(*columns))
    assert [row.name for row in rows] == [column.name for column in columns]
    assert (rows[0].missing, rows[2].missing, rows[2].distinct) == ("", "2,000", "1,500")
    assert rest == ""


def test_of_a_wide_table_that_is_shown_of_which_there_is_something_to_say() -> None:
    quiet = [a_column(f"q{i}") for i in range(30)]
    flags = [a_column(f"f{i}", "boolean") for i in range(1)]
    loud = [
        a_column("empty", "constant", role="ignored", why="no value in any row"),
        a_column("length", why="thousands by comma"),
        a_column("made", "date", role="time"),
        a_column("price", role="target"),
    ]
    info = info_of(*quiet[:20], *loud, *quiet[20:], *flags)
    rows, rest = column_rows(info)
    assert [(row.name, row.used) for row in rows] == [
        ("empty", "no"), ("length", "yes"), ("made", "time"), ("price", "target"),
    ]  # fmt: skip
    assert rest == "+ 30 more numbers, 1 more boolean"
    rows, rest = column_rows(info, whole=True)
    assert (len(rows), rest) == (len(info.columns), "")


def test_what_is_left_out_of_the_list_is_counted_as_left_out() -> None:
    columns = [
        a_column(f"c{i}", "constant", role="ignored", why="one value")
        for i in range(MOST_COLUMNS + 5)
    ]
    rows, rest = column_rows(info_of(a_column("x"), *columns))
    assert len(rows) == MOST_COLUMNS
    assert rest == "+ 5 more constants left out, 1 more number"
    counts = sum(map(int, re.findall(r"(\d+) more", rest)))
    assert len(rows) + counts == len(columns) + 1


def test_the_target_names_its_classes_with_their_rows() -> None:
    target = a_column("sunk", "boolean", role="target")
    info = info_of(
        target, target="classes", classes=2, class_names=("false", "true"), class_rows=(1100, 1),
        class_type="boolean",
    )  # fmt: skip
    assert target_line(info) == (
        "target sunk: 2 classes of booleans: false (1,100 rows), true (1 row)"
    )
    many = info.model_copy(
        update={
            "classes": 40,
            "class_names": tuple(f"k{i}" for i in range(40)),
            "class_rows": (30,) * 40,
            "class_type": "text",
        }
    )
    assert target_line(many).startswith("target sunk: 40 classes: k0 (30 rows), k1")
    assert target_line(many).endswith("k11 (30 rows) and 28 more")
    price = a_column("price", role="target", distinct=1100, examples=("9.5", "12"))
    assert target_line(info_of(price)) == (
        "target price: numbers, 1,100 different, such as 9.5, 12"
    )
    assert target_line(BUILT_IN["quadratic"]) == "no target"


def test_the_first_line_counts_what_is_learned_from() -> None:
    columns = (a_column("a"), a_column("b", role="ignored"), a_column("y", role="target"))
    assert headline(info_of(*columns)) == "boats: 1,200 rows of 1 of 2 columns"
    assert headline(info_of(a_column("a"))) == "boats: 1,200 rows of 1 column"
    assert headline(BUILT_IN["digits"]) == "digits: 1,797 rows of 1×8×8"
    uploaded = Dataset(
        **info_of(*columns).model_dump(), sha256="a" * 64, size_bytes=1, format="csv",
        target_column="y", version=3,
    )  # fmt: skip
    assert headline(uploaded).startswith("boats, version 3: 1,200 rows")
    newer = uploaded.model_copy(update={"versions": (1, 3, 7)})
    assert headline(newer).startswith("boats, version 3 (the newest is 7): 1,200 rows")
    assert repr(uploaded) == str(uploaded) == f"Dataset({headline(uploaded)}; target y: numbers)"


def test_a_notebook_shows_the_columns_and_escapes_what_people_wrote() -> None:
    info = info_of(
        a_column("<b>size</b>", examples=("<i>",), why="a & b"),
        a_column("tag", "constant", role="ignored", why="one value"),
        warnings=("<script> is odd",),
    )
    html = info._repr_html_()
    assert "&lt;b&gt;size&lt;/b&gt;" in html
    assert "&lt;script&gt; is odd" in html
    assert "a &amp; b" in html
    assert not re.search(r"<(b>size|i>|script)", html)
    assert html.count("<tr") == 3
