from __future__ import annotations

import datetime
import decimal
import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpsearch.training.uploads.cells import MISSING_MARKS, cell_texts, cells_of

UTC = datetime.UTC
finite = st.floats(allow_nan=False, allow_infinity=False)


def texts(values) -> list[str | None]:
    return cell_texts(cells_of(values)).to_pylist()


def test_every_missing_mark_of_pandas_is_one_here():
    from pandas._libs.parsers import STR_NA_VALUES

    assert set(STR_NA_VALUES) <= set(MISSING_MARKS)
    assert texts([f" {mark}\u00a0" for mark in MISSING_MARKS]) == [None] * len(MISSING_MARKS)
    assert texts(["NAN", "Null", "--", "0"]) == ["NAN", "Null", "--", "0"]


MISSING = [
    [None, 1.5], [math.nan, 1.5], [pd.NA, 1.5], [pd.NaT, "a"], [None, True],
    np.array([np.nan, 2.0], dtype=np.float16), np.ma.masked_array([1, 2], [True, False]),
    pd.Series([pd.NA, 2], dtype="Int64"), pd.Series([None, "a"], dtype="category"),
    pd.Series([None, False], dtype="boolean"), pd.Series([pd.NaT, pd.Timestamp("2024-05-31")]),
    np.array(["NaT", "2024-05-31"], dtype="datetime64[s]"), [None, decimal.Decimal("2.5")],
]  # fmt: skip


@pytest.mark.parametrize("values", MISSING, ids=str)
def test_what_libraries_call_missing_is_null(values):
    assert cells_of(values).is_null().to_pylist() == [True, False]


FORMS = [
    ([True, False], ["true", "false"]),
    (np.array([True]), ["true"]),
    ([2**70, -5], ["1180591620717411303424", "-5"]),
    (np.array([2**64 - 1], dtype=np.uint64), ["18446744073709551615"]),
    ([1.0, -0.0, 2.5, 1e20], ["1", "0", "2.5", "100000000000000000000"]),
    (pd.Series([1, None]), ["1", None]),
    ([decimal.Decimal("1.50"), decimal.Decimal("12345678901234567890.00")],
     ["1.5", "12345678901234567890"]),
    (["\u3000a b\t", "", "\u202f7"], ["a b", None, "7"]),
    ([datetime.date(2024, 5, 31)], ["2024-05-31"]),
    ([datetime.datetime(2024, 5, 31, 8, 30)], ["2024-05-31 08:30:00"]),
    ([datetime.datetime(2024, 5, 31, 8, 30, 1, 250_000)], ["2024-05-31 08:30:01.25"]),
    ([datetime.datetime(2024, 5, 31)], ["2024-05-31"]),
    ([pd.Timestamp("2024-05-31 08:30", tz="Asia/Tokyo")], ["2024-05-30 23:30:00Z"]),
    ([datetime.timedelta(seconds=90)], ["90"]),
    (np.array([b"ab"]), ["ab"]),
    (np.array([1, 2], dtype=">i4"), ["1", "2"]),
    (pd.Series(["b", "a"], dtype="category"), ["b", "a"]),
    (pd.Series([3, 4], dtype="Sparse[int]"), ["3", "4"]),
    (pd.Series(pd.period_range("2024-05", periods=1, freq="M")), ["2024-05"]),
    (pa.chunked_array([["a"], ["b"]]), ["a", "b"]),
    (pa.array(["a", None, "a"]).dictionary_encode(), ["a", None, "a"]),
    (pa.array(["x"], pa.large_string()), ["x"]),
    (pa.array([], pa.int8()), []),
    ([1, "1", 1.0, True, None, datetime.date(2024, 5, 31), decimal.Decimal("2.50"), b" x "],
     ["1", "1", "1", "true", None, "2024-05-31", "2.5", "x"]),
    ([datetime.date(2024, 5, 31), datetime.datetime(2024, 5, 31, 8, 30)],
     ["2024-05-31", "2024-05-31 08:30:00"]),
    ([datetime.datetime(2024, 5, 31, tzinfo=UTC), datetime.datetime(2024, 5, 31), "x"],
     ["2024-05-31 00:00:00Z", "2024-05-31", "x"]),
    ([[1, 2], None], ["[1, 2]", None]),
    (["\ud800x", "y"], ["\\ud800x", "y"]),
]  # fmt: skip


@pytest.mark.parametrize(("values", "expected"), FORMS, ids=[str(form[1]) for form in FORMS])
def test_a_value_has_one_text_whatever_holds_it(values, expected):
    assert texts(values) == expected


@settings(max_examples=80)
@given(st.lists(finite))
def test_a_floats_text_reads_back_to_the_same_float(values):
    assert [float(text) for text in texts(np.array(values))] == values


@settings(max_examples=100)
@given(st.lists(st.one_of(st.integers(), finite, st.booleans(), st.text(max_size=5), st.none())))
def test_values_together_have_the_texts_that_they_have_alone(values):
    assert texts([*values, "?", True]) == [t for v in values for t in texts([v])] + [None, "true"]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_text_is_trimmed_as_python_trims_it_but_for_control_characters(values):
    # Python also trims U+001C to U+001F and U+0085 of the control characters; Arrow does so too.
    assert texts([*values, "x"]) == [
        None if value.strip() in MISSING_MARKS else value.strip() for value in [*values, "x"]
    ]
