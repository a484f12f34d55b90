from __future__ import annotations

import datetime
import decimal
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpsearch.spec.wire.upload import ColumnReading
from hpsearch.training.uploads.cells import MISSING_MARKS, cells_of
from hpsearch.training.uploads.number_formats import CURRENCIES, FORMATS
from hpsearch.training.uploads.readings import read_keys, read_numbers

finite = st.floats(allow_nan=False, allow_infinity=False)
forms = st.sampled_from(FORMATS)
NUMBER, DATE, BOOLEAN = (ColumnReading(kind=kind) for kind in ("number", "date", "boolean"))
CODES = ColumnReading(kind="category", by_value=True)
TEXTS = ColumnReading(kind="category")


def numbers(reading, values) -> list[float]:
    found, unreadable = read_numbers(reading, cells_of(values))
    assert not unreadable.any()
    return found.tolist()


def keys(reading, values) -> list[str | None]:
    return read_keys(reading, cells_of(values)).to_pylist()


def unreadable(reading, values) -> list[bool]:
    found, flags = read_numbers(reading, cells_of(values))
    assert np.isnan(found[flags]).all()
    return flags.tolist()


def written(value: float, form, space: str = "\u202f") -> str:
    """A number's digits in a format, all of them, grouped by threes where it groups."""
    digits = format(decimal.Decimal(repr(abs(value))), ",f")
    swaps = {",": form.thousands if form.thousands != " " else space, ".": form.decimal}
    return "".join(swaps.get(c, c) for c in digits)


DECORATIONS = [
    "{s}{n}",
    " {s}{n} ",
    "{s}{c}{n}",
    "{c}{s}{n}",
    "{s}{n} {c}",
    "{c} {s}{n}",
    "{s}{n}%",
]


@settings(max_examples=100)
@given(
    finite | st.integers(-(2**53), 2**53).map(float),
    forms,
    st.sampled_from(DECORATIONS),
    st.sampled_from(CURRENCIES),
    st.sampled_from(["-", "\u2212"]),
    st.sampled_from([" ", "\u00a0", "\u2009", "\u202f"]),
)
def test_a_number_in_any_format_reads_back_to_the_same_float(
    value, form, decoration, currency, minus, space
):
    sign = minus if math.copysign(1, value) < 0 else ""
    digits = written(value, form, space)
    text = decoration.format(s=sign, n=digits, c=currency)
    reading = ColumnReading(kind="number", decimal=form.decimal, thousands=form.thousands)
    assert numbers(reading, [text, "7"]) == [value, 7]


@settings(max_examples=80)
@given(st.lists(finite | st.integers(-(2**70), 2**70)))
def test_numbers_are_what_python_reads_whether_typed_or_text(values):
    expected = [float(value) for value in values]
    assert numbers(NUMBER, values) == expected
    assert numbers(NUMBER, [repr(value) for value in values]) == expected
    assert numbers(NUMBER, np.array(expected)) == expected
    assert numbers(NUMBER, [decimal.Decimal(repr(value)) for value in values]) == expected


@settings(max_examples=100)
@given(st.lists(st.text("0019,.+-eE$% \u2212(infa", max_size=7)), forms)
def test_a_number_is_the_same_whatever_stands_in_the_other_rows(values, form):
    reading = ColumnReading(kind="number", decimal=form.decimal, thousands=form.thousands)
    together = read_numbers(reading, cells_of(values))[0]
    alone = [read_numbers(reading, cells_of([value]))[0] for value in values]
    np.testing.assert_array_equal(together, np.concatenate([[], *alone]))


PARENTHESES = [
    ("(4,375.50)", -4375.5),
    ("$(3)", None),
    ("($3)", -3.0),
    ("(-3)", None),
    ("(3", None),
]


@pytest.mark.parametrize(("text", "value"), PARENTHESES)
def test_parentheses_are_accountants_minus(text, value):
    reading = ColumnReading(kind="number", thousands=",")
    assert unreadable(reading, [text]) == [value is None]
    if value is not None:
        assert numbers(reading, [text]) == [value]


@pytest.mark.parametrize(
    "text",
    ["x", "1.2.3", "1,2", "12 34", "0x1F", "1_0", "inf", "-Infinity", "1e999", "--1", "5 %%", "$",
     "e5", "1e", "٣", "12 kg", "NAN", "1" * 500, "1-2"],
)  # fmt: skip
def test_what_is_no_number_or_infinite_is_unreadable_and_never_a_number(text):
    assert unreadable(NUMBER, [text, "1"]) == [True, False]


def test_groups_of_digits_must_be_of_three_or_of_india():
    commas = ColumnReading(kind="number", thousands=",")
    assert numbers(commas, ["1,234,567.5", "12,34,567", "1234"]) == [1234567.5, 1234567, 1234]
    assert unreadable(commas, ["1,23", "1234,567", ",123", "1,234,"]) == [True] * 4


@pytest.mark.parametrize("reading", [NUMBER, DATE, BOOLEAN, CODES, TEXTS], ids=lambda r: r.kind)
def test_missing_is_neither_a_value_nor_unreadable(reading):
    values = [*MISSING_MARKS, None, pd.NA, math.nan]
    if reading.kind in ("number", "date"):
        assert np.isnan(numbers(reading, values)).all()
    else:
        assert keys(reading, values) == [None] * len(values)
    assert numbers(NUMBER, [None, None])[0] != 0
    assert keys(TEXTS, []) == []


def test_typed_values_of_the_wrong_kind_are_unreadable():
    assert unreadable(DATE, [True, False]) == [True, True]
    assert unreadable(NUMBER, [datetime.date(2024, 5, 31), None]) == [True, False]
    assert unreadable(NUMBER, [math.inf, 1.0]) == [True, False]


instants = st.datetimes(datetime.datetime(1, 1, 1), datetime.datetime(9999, 12, 31))


@settings(max_examples=80)
@given(st.lists(instants, min_size=1))
def test_an_instant_is_the_same_typed_and_in_iso_form(times):
    expected = [time.replace(tzinfo=datetime.UTC) for time in times]
    seconds = [
        (time - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)) // datetime.timedelta(
            microseconds=1
        ) / 1e6
        for time in expected
    ]  # fmt: skip
    assert numbers(DATE, times) == seconds
    assert numbers(DATE, [time.isoformat() for time in times]) == seconds
    assert numbers(DATE, [time.isoformat(" ") for time in expected]) == seconds


quarter_hours = st.integers(-48, 56).map(
    lambda quarters: datetime.timezone(datetime.timedelta(minutes=15 * quarters))
)
LAYOUTS = [
    ("dmy", "%d.%m.%Y"), ("dmy", "%d/%m/%Y %H:%M"), ("mdy", "%m/%d/%Y"), ("dmy", "%d-%m-%y"),
    ("mdy", "%m/%d/%y %I:%M:%S %p"), ("ymd", "%Y/%m/%d"), ("ymd", "%Y.%m.%d %H:%M:%S"),
    ("ymd", "%d %B %Y"), ("mdy", "%d-%b-%y"), ("dmy", "%B %d, %Y"), ("ymd", "%a, %d %b %Y %H:%M"),
    ("ymd", "%Y-%m-%dT%H:%M:%S.%fZ"), ("ymd", "%Y%m%d"), ("ymd", "%Y-%m-%d %H:%M:%S%z"),
]  # fmt: skip


@pytest.mark.parametrize(("order", "layout"), LAYOUTS)
@settings(max_examples=25)
@given(
    st.datetimes(
        datetime.datetime(1969, 1, 1), datetime.datetime(2068, 12, 31), timezones=quarter_hours
    )
)
def test_dates_in_each_order_are_what_pandas_reads(order, layout, time):
    text = time.strftime(layout)
    expected = pd.to_datetime(text, format=layout, utc=True)
    reading = ColumnReading(kind="date", date_order=order)
    assert numbers(reading, [text, None])[0] == expected.timestamp()


@pytest.mark.parametrize(
    "text",
    ["2023-02-29", "1900-02-29", "2024-13-01", "2024-00-10", "2024-05-32", "0000-01-01",
     "2024-05-31 24:00", "2024-05-31 12:60", "2024-05-31 13:00 PM", "12:30", "soon", "31.05.2024",
     "2024-5", "2024-05/31"],
)  # fmt: skip
def test_what_no_calendar_or_clock_has_is_no_date(text):
    assert unreadable(DATE, [text, "2024-05-31"]) == [True, False]


def test_truth_values_are_the_same_in_every_writing():
    for values in (
        [True, False],
        [1, 0],
        [1.0, 0.0],
        ["TRUE", "False"],
        ["1", "0"],
        ["1.0", "0.0"],
    ):
        assert keys(BOOLEAN, values) == ["true", "false"]
    assert keys(BOOLEAN, ["oui", 2]) == ["oui", "2"]


@settings(max_examples=80)
@given(st.lists(st.integers(-(2**63), 2**63 - 1)), st.lists(finite))
def test_codes_of_equal_value_are_one_category(integers, floats):
    assert keys(CODES, integers) == [str(value) for value in integers]
    assert keys(CODES, [f"+{v}" if v > 0 else str(v) for v in integers]) == keys(CODES, integers)
    assert keys(CODES, [repr(value) for value in floats]) == keys(CODES, np.array(floats))
    assert [float(key) for key in keys(CODES, floats)] == floats
    small = [value for value in integers if abs(value) <= 2**53]
    assert keys(CODES, np.array(small, dtype=float)) == keys(CODES, small)
    assert keys(CODES, [f"{value}.0" for value in small]) == keys(CODES, small)


def test_codes_with_a_decimal_comma_and_truth_values_have_numbers_keys():
    comma = ColumnReading(kind="category", by_value=True, decimal=",")
    assert keys(comma, ["1,50", "2", "x"]) == ["1.5", "2", "x"]
    assert keys(CODES, [True, False]) == ["1", "0"]


def test_leading_zeros_count_where_a_category_is_text():
    assert keys(TEXTS, ["007", "7", 7]) == ["007", "7", "7"]
