"""What was decided of a column reads all its cells, whatever they are."""

from __future__ import annotations

import datetime
import math

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from table_surveys import decisions

from hpsearch.errors import InvalidInput
from hpsearch.training.uploads.cells import cell_texts, cells_of
from hpsearch.training.uploads.decisions import Decisions
from hpsearch.training.uploads.readings import read_keys, read_numbers

any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
number_like = st.from_regex(
    r"\A[($€-]?[0-9]{1,3}([,.' \u00a0][0-9]{3})?([.,][0-9]{1,3})?(e[+-]?[0-9]{1,3})?[)%€]?\Z",
    alphabet="0123456789(),.$€%- '\u00a0e+",
)
date_like = st.from_regex(
    r"\A[0-9]{1,2}[-/.][0-9]{1,2}[-/.]([0-9]{4}|[0-9]{2})( [0-9]{1,2}:[0-9]{2})?\Z",
    alphabet="0123456789-/.: ",
)
columns = st.one_of(
    st.lists(any_text, min_size=1),
    st.lists(number_like, min_size=1),
    st.lists(date_like, min_size=1),
    st.lists(st.sampled_from(["", "true", "FALSE", "1", "0", "01", "1.0", "train", "test", "?"])),
    st.lists(st.one_of(number_like, date_like, any_text), min_size=1),
    st.lists(st.integers() | st.none(), min_size=1),
    st.lists(st.floats() | st.none(), min_size=1),
    st.lists(st.booleans() | st.none(), min_size=1),
    st.lists(st.datetimes() | st.none(), min_size=1),
    st.lists(st.decimals(allow_infinity=False, allow_nan=False), min_size=1),
    st.lists(st.one_of(st.integers(), any_text, st.booleans(), st.dates(), st.none()), min_size=1),
)
uses = st.sampled_from([None, "number", "category", "date", "ignore"])


def decided(table, *target, **options) -> tuple[Decisions | None, set[str]]:
    """What is decided, or none and what is wrong."""
    try:
        return decisions(table, *target, **options), set()
    except InvalidInput as refused:
        return None, {error.path for error in refused.errors}


@settings(max_examples=120, deadline=None)
@given(columns, uses, st.booleans())
def test_what_is_decided_of_a_column_reads_every_cell(values, use, is_semicolon):
    cells = cells_of(values)
    said = {} if use is None else {"c": use}
    found, paths = decided({"c": cells}, is_semicolon=is_semicolon, **said)
    if found is None:
        assert paths == {"columns.c"}
        assert use != "ignore"
        return
    info = found.columns[0]
    assert info.missing == cell_texts(cells).null_count
    assert (info.role == "ignored") == (use == "ignore") or use is None or info.kind == "constant"
    if info.reading is None:
        assert info.missing == len(values)
        return
    if info.reading.kind in ("number", "date"):
        read, unreadable = read_numbers(info.reading, cells)
        assert not unreadable.any()
        assert np.isnan(read).sum() == info.missing
        # Dates that mean one instant may be written in several ways; so may formatted numbers.
        assert len(np.unique(read[~np.isnan(read)])) <= info.distinct
    else:
        keys = read_keys(info.reading, cells)
        assert keys.null_count == info.missing
        # 1 and 1.0 are two texts, and counted as one number.
        by_value = read_keys(info.reading.model_copy(update={"by_value": True}), cells)
        assert len(by_value.drop_null().unique()) <= info.distinct
    if info.reading.kind == "boolean":
        assert set(keys.drop_null().to_pylist()) <= {"true", "false"}


targets = st.one_of(
    st.lists(st.integers(-3, 6), min_size=2),
    st.lists(st.sampled_from(["a", "A", "b "]), min_size=2),
    st.lists(st.booleans(), min_size=2),
    st.lists(st.sampled_from(["1,5", "2,5", "3"]), min_size=2),
    st.lists(st.sampled_from(["1", "1.0", "2"]), min_size=2),
    st.lists(st.sampled_from(["01", "1", "2"]), min_size=2),
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2),
    st.lists(st.sampled_from([2**60, 2**60 + 1, 5]), min_size=2),
    st.lists(columns.filter(bool).flatmap(st.sampled_from), min_size=2),
)


@settings(max_examples=100, deadline=None)
@given(targets, st.sampled_from([None, "number", "category"]))
def test_every_row_of_a_target_is_one_of_its_classes_or_a_number(values, use):
    cells = cells_of(values)
    said = {} if use is None else {"y": use}
    table = {"a": pa.array(np.linspace(0.5, 1, len(values))), "y": cells}
    found, paths = decided(table, "y", **said)
    if found is None:
        assert paths <= {"columns.y", "target"}
        return
    info = found.columns[1]
    assert (info.role, info.missing) == ("target", 0)
    if found.target == "numbers":
        read, unreadable = read_numbers(info.reading, cells)
        assert info.reading.kind == "number"
        assert not unreadable.any()
        assert len(np.unique(read)) > 1 or found.warnings
        return
    keys = read_keys(info.reading, cells).to_pylist()
    names = found.classes.class_names
    assert [keys.count(name) for name in names] == list(found.classes.class_rows)
    assert set(keys) == set(names)
    assert len(names) > 1
    if found.classes.class_type in ("integer", "number"):
        numbers = [int(n) if n.lstrip("-").isdigit() else float(n) for n in names]
        assert sorted(numbers) == numbers
    else:
        assert sorted(names) == list(names)
    assert (found.classes.class_type == "boolean") == (info.reading.kind == "boolean")


def test_instants_in_the_examples_of_documentation_are_dates():
    times = [datetime.datetime(2022, 1, day, 10, 30) for day in range(1, 10)]
    found = decisions({"c": [f"{time:%Y-%m-%d %H:%M}" for time in times]}).columns[0]
    read, _ = read_numbers(found.reading, cells_of([times[0]]))
    assert read[0] == times[0].replace(tzinfo=datetime.UTC).timestamp()
    assert not math.isnan(read[0])
