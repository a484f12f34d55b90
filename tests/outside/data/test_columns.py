"""Columns as people's programs write them, read as pandas and Python read them when told how.

pandas is told the format of each file; hpsearch has to find it.
"""

from __future__ import annotations

import csv
import datetime
import io
import uuid
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import datasets
from table_surveys import column, decisions

from hpsearch.training.uploads.cells import cells_of
from hpsearch.training.uploads.readings import read_keys, read_numbers

rng = np.random.default_rng(20)
ROWS = 150


def values_of(texts, **options) -> np.ndarray:
    """A column's numbers, or its dates as seconds, as it was decided to read them."""
    info = column(texts, **options)
    assert info.role == "feature"
    found, unreadable = read_numbers(info.reading, cells_of(texts))
    assert not unreadable.any()
    return found


def texts_of(frame: pd.DataFrame, **how) -> dict[str, list[str]]:
    """The fields of the CSV file that pandas writes, by column."""
    text = frame.to_csv(index=False, **how)
    header, *rows = csv.reader(io.StringIO(text), delimiter=how.get("sep", ","))
    return dict(zip(header, map(list, zip(*rows, strict=True)), strict=True))


@pytest.mark.parametrize(("sep", "decimal"), [(";", ","), (",", "."), ("\t", ",")])
@pytest.mark.parametrize("load", [datasets.load_wine, datasets.load_diabetes, datasets.load_iris])
def test_published_tables_come_back_from_files_of_either_decimal_sign(load, sep, decimal):
    frame = load(as_frame=True).frame
    texts = texts_of(frame, sep=sep, decimal=decimal)
    found = decisions(texts, "target", is_semicolon=sep == ";")
    for info in found.columns:
        assert info.role == ("target" if info.name == "target" else "feature"), info
        assert info.distinct == frame[info.name].nunique()
        if info.role == "feature":
            values, _ = read_numbers(info.reading, cells_of(texts[info.name]))
            np.testing.assert_array_equal(values, frame[info.name].to_numpy(dtype=float))
    classes = load is not datasets.load_diabetes
    assert found.target == ("classes" if classes else "numbers")
    assert found.classes.class_type == ("integer" if classes else "text")


GROUPED = [("de_DE", ",", "."), ("en_US", ".", ","), ("fr_FR", ",", "\u202f"), ("de_CH", ".", "’")]


@pytest.mark.parametrize(("country", "decimal", "thousands"), GROUPED)
def test_amounts_of_a_country_are_what_pandas_reads_when_told_its_signs(
    country, decimal, thousands
):
    amounts = rng.lognormal(9, 3, ROWS)
    texts = [
        f"{amount:,.2f}".translate(str.maketrans({",": thousands, ".": decimal}))
        for amount in amounts
    ]
    # pandas takes signs of one byte alone.
    plain = {"\u202f": " ", "’": "'"}.get(thousands, thousands)
    file = io.StringIO("c\n" + "\n".join(f'"{t.replace(thousands, plain)}"' for t in texts))
    expected = pd.read_csv(file, decimal=decimal, thousands=plain)
    np.testing.assert_array_equal(values_of(texts), expected["c"].to_numpy())


MONEY = ["${}", "US$ {}", "{} €", "EUR {}", "£{}", "{} kr", "R$ {}", "CHF {}", "¥{}", "{} zł"]


@settings(max_examples=60)
@given(
    st.lists(st.decimals(-(10**9), 10**9, places=2), min_size=3),
    st.sampled_from(MONEY),
    st.sampled_from([str, lambda number: f"{number:,}"]),
)
def test_money_is_the_amount_that_was_written(amounts, layout, write):
    amounts += [Decimal("1234567.89"), Decimal("-0.05")]
    found = values_of([layout.format(write(amount)) for amount in amounts])
    assert found.tolist() == [float(amount) for amount in amounts]


def test_accountants_amounts_are_negative_in_parentheses():
    amounts = rng.normal(0, 5000, ROWS).round(2)
    accounting = [f"(${-a:,.2f})" if a < 0 else f"${a:,.2f}" for a in amounts]
    assert values_of(accounting).tolist() == amounts.tolist()


def test_percentages_are_the_numbers_before_the_sign():
    shares = rng.uniform(0, 1, ROWS)
    assert values_of([f"{share:.1%}" for share in shares]).tolist() == [
        float(f"{100 * share:.1f}") for share in shares
    ]


FREQUENCIES = ["D", "h", "7min", "W", "QE", "3s"]
LAYOUTS = ["%Y-%m-%d %H:%M:%S", "%d.%m.%Y %H:%M:%S", "%m/%d/%Y %I:%M:%S %p", "%d %b %Y %H:%M:%S"]


@pytest.mark.parametrize("frequency", FREQUENCIES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_series_of_times_is_what_pandas_reads_when_told_the_layout(frequency, layout):
    times = pd.date_range("2019-11-27 03:04:05", periods=400, freq=frequency)
    # Some day after the twelfth of a month is in every series.
    times = times.append(pd.DatetimeIndex(["2020-01-31"]))
    texts = times.strftime(layout)
    expected = pd.to_datetime(texts, format=layout)
    assert column(texts).kind == "date"
    np.testing.assert_array_equal(
        values_of(texts),
        expected.astype("int64") / 10 ** {"s": 0, "us": 6, "ns": 9, "ms": 3}[expected.unit],
    )


def test_what_javascript_and_http_write_is_a_date():
    times = [datetime.datetime(2021, 3, day, 4, 5, 6, tzinfo=datetime.UTC) for day in (1, 15, 31)]
    seconds = [time.timestamp() for time in times]
    assert (
        values_of(
            [t.isoformat(timespec="milliseconds").replace("+00:00", "Z") for t in times]
        ).tolist()
        == seconds
    )
    assert values_of([t.strftime("%a, %d %b %Y %H:%M:%S GMT") for t in times]).tolist() == seconds


IDENTIFIERS = {
    "uuid": [str(uuid.UUID(int=int(n))) for n in rng.integers(0, 2**62, ROWS)],
    "hash": [f"{n:032x}" for n in rng.integers(0, 2**62, ROWS)],
    "email": [f"user{n}@example.org" for n in rng.permutation(ROWS)],
    "tweet": [str(n) for n in rng.integers(10**18, 2 * 10**18, ROWS)],
    "Unnamed: 0": list(map(str, range(ROWS))),
    "OrderID": list(map(str, rng.permutation(5 * ROWS)[:ROWS])),
    "url": [f"https://example.org/items/{n}?ref=list" for n in rng.permutation(ROWS)],
}


@pytest.mark.parametrize("name", IDENTIFIERS)
def test_what_identifies_rows_is_left_out_and_listed(name):
    found = column(IDENTIFIERS[name], name)
    assert (found.role, found.distinct) == ("ignored", ROWS)
    assert found.kind in ("id", "text")
    assert found.why


def test_long_integers_are_never_rounded_in_silence():
    codes = [str(2**60 + 3 * (i % 20)) for i in range(ROWS)]
    for values in (codes, [int(code) for code in codes]):
        found = decisions({"c": values})
        assert (found.columns[0].kind, found.columns[0].distinct) == ("category", 20)
        assert "lose digits" in found.warnings[0]
        keys = read_keys(found.columns[0].reading, cells_of(values)).to_pylist()
        assert keys == codes


CODES = {
    "zip codes": [f"{n:05d}" for n in rng.integers(500, 40_000, 40)] * 5,
    "two digits": [f"{n:02d}" for n in range(24)] * 8,
    "phone prefixes": ["0049", "0043", "0041"] * 50,
}


@pytest.mark.parametrize("name", CODES)
def test_codes_with_zeros_in_front_are_categories(name):
    found = column(CODES[name])
    assert (found.kind, found.role, found.distinct) == (
        "category",
        "feature",
        len(set(CODES[name])),
    )
    assert not found.reading.by_value


TRUTHS = [("True", "False"), ("true", "false"), ("TRUE", "FALSE"), (True, False)]


@pytest.mark.parametrize("truths", TRUTHS, ids=str)
def test_truth_values_of_every_program_are_the_same(truths):
    info = column([truths[i % 3 == 0] for i in range(30)])
    assert (info.kind, info.distinct) == ("boolean", 2)
    assert read_keys(info.reading, cells_of(list(truths))).to_pylist() == ["true", "false"]


def test_answers_stay_categories_and_their_spellings_are_said():
    answers = ["agree", "Agree", "never", "NEVER", "n/a"] * 30
    found = decisions({"c": answers})
    assert (found.columns[0].kind, found.columns[0].distinct, found.columns[0].missing) == (
        "category", 4, 30,
    )  # fmt: skip
    assert "'Agree' and 'agree', 'NEVER' and 'never' differ by case" in found.warnings[0]


def test_reviews_are_free_text_and_short_labels_are_not():
    vocabulary = datasets.load_iris().DESCR.split()
    reviews = [" ".join(rng.choice(vocabulary, 12)) for _ in range(ROWS)]
    assert (column(reviews).kind, column(reviews).role) == ("text", "ignored")
    labels = ["not at all likely", "somewhat likely to buy again", "very likely"] * 50
    assert (column(labels).kind, column(labels).role) == ("category", "feature")


def test_spreadsheet_errors_and_dashes_are_missing_and_numbers_stay_numbers():
    texts = ["#DIV/0!", "#N/A", "-", "?", "NULL", "1.5", "-2", "3e2"]
    info = column(texts)
    assert (info.kind, info.missing, info.distinct) == ("number", 5, 3)
    values, unreadable = read_numbers(info.reading, cells_of(texts))
    np.testing.assert_array_equal(values, [np.nan] * 5 + [1.5, -2, 300])
    assert not unreadable.any()


WHOLE_TARGETS = {
    "one row of each": (range(1, 48), "numbers"),
    "ages": (rng.integers(18, 90, 500), "numbers"),
    "counts": (rng.poisson(30, 300), "numbers"),
    "house prices": (1000 * rng.integers(80, 900, 400), "numbers"),
    "years": (rng.integers(1950, 2020, 300), "numbers"),
    "digits": (np.tile(range(10), 20), "classes"),
    "stars": (np.tile(range(1, 6), 30), "classes"),
    "zero and one": (np.tile([0, 1], 4), "classes"),
    "minus one and one": (np.tile([-1, 1], 4), "classes"),
    "sparse codes": (np.tile([7, 12, 40], 30), "classes"),
    "a hundred classes": (np.tile(range(100), 12), "classes"),
    "few rows of few": (np.tile([0, 1, 2], 3), "classes"),
    "rarest": ([0] * 60 + [1] * 39 + [2], "classes"),
}


@pytest.mark.parametrize("name", WHOLE_TARGETS)
def test_whole_number_targets_are_classes_or_numbers_by_how_they_lie(name):
    values, kind = WHOLE_TARGETS[name]
    values = [int(value) for value in values]
    table = {"a": rng.normal(size=len(values)), "y": values}
    found = decisions(table, "y")
    assert found.target == kind
    different = sorted(set(values))
    if kind == "classes":
        assert found.classes.class_names == tuple(map(str, different))
        assert found.classes.class_rows == tuple(values.count(value) for value in different)
        assert found.classes.class_type == "integer"
    both = {use: decisions(table, "y", y=use).target for use in ("number", "category")}
    assert both == {"number": "numbers", "category": "classes"}
    texts = decisions({"a": table["a"], "y": list(map(str, values))}, "y")
    assert (texts.target, texts.classes) == (found.target, found.classes)


def test_how_a_whole_number_target_was_read_is_said_where_it_was_a_guess():
    def said(values):
        warnings = decisions({"a": rng.normal(size=len(values)), "y": values}, "y").warnings
        return [warning for warning in warnings if "whole numbers" in warning]

    assert 'say columns={"y": "number"}' in said(list(range(1, 6)) * 30)[0]
    assert 'say columns={"y": "category"}' in said([18 + i % 70 for i in range(500)])[0]
    assert said([0, 1] * 30) == []
    assert said(list(range(60))) == []


TYPED_TARGETS = [
    ([True, False] * 9, ("false", "true"), "boolean"),
    (["TRUE", "false"] * 9, ("false", "true"), "boolean"),
    ([1.0, 2.0] * 9, ("1", "2"), "number"),
    (["1.0", "2.0"] * 9, ("1", "2"), "number"),
    (["10", "9"] * 9, ("9", "10"), "integer"),
    (["b", "a", "C"] * 9, ("C", "a", "b"), "text"),
    (["01", "10"] * 9, ("01", "10"), "text"),
    ([f"{2**60 + i % 2 * 3}" for i in range(18)], (str(2**60), str(2**60 + 3)), "integer"),
]


@pytest.mark.parametrize(
    ("values", "names", "kind"), TYPED_TARGETS, ids=[str(t[1]) for t in TYPED_TARGETS]
)
def test_classes_have_an_order_and_the_type_of_their_values(values, names, kind):
    found = decisions({"a": rng.normal(size=len(values)), "y": values}, "y")
    assert (found.classes.class_names, found.classes.class_type) == (names, kind)


@pytest.mark.parametrize("values", [["31%", "45%"] * 9, ["$1", "$2"] * 9, ["1,5", "2,5"] * 9])
def test_amounts_as_a_target_are_numbers(values):
    assert decisions({"a": rng.normal(size=len(values)), "y": values}, "y").target == "numbers"


def test_rare_and_small_classes_are_said_and_not_refused():
    values = ["u"] * 100 + ["v"] * 99 + ["w"]
    found = decisions({"a": rng.normal(size=200), "y": values}, "y")
    assert found.classes.class_rows == (100, 99, 1)
    assert "1 class with fewer than 3 rows, 'w' (1)" in found.warnings[0]
    small = ["u"] * 195 + ["v"] * 5
    (warning,) = decisions({"a": rng.normal(size=200), "y": small}, "y").warnings
    assert "class 'v' has 5 of 200 rows" in warning
