from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpsearch.errors import TrainingFailed
from hpsearch.spec.task import Split
from hpsearch.training.data.given_splits import split_table
from hpsearch.training.data.splits import split_rows
from hpsearch.training.uploads.table import Column, ColumnValues, Table, category_column


def table(**marks) -> Table:
    found = []
    for name, values in marks.items():
        array = np.array(values)
        text = array.dtype.kind == "U"
        found.append(
            category_column(name, array)
            if text
            else ColumnValues(Column(name), array.astype(float))
        )
    rows = len(next(iter(marks.values())))
    return Table(np.zeros((rows, 1)), np.arange(rows) % 2, ("a", "b"), (Column("x"),), tuple(found))


NAMES = ["train"] * 6 + ["validation"] * 3 + ["test"]


def test_a_column_names_the_parts():
    order = np.random.default_rng(0).permutation(10)
    mine = table(part=np.array(NAMES)[order])
    parts = split_table(mine, Split(column="part"), 5)
    for name, rows in parts._asdict().items():
        assert rows.tolist() == [i for i, k in enumerate(order) if NAMES[k] == name]


def test_validation_is_drawn_from_training_where_none_is_named():
    mine = table(part=["train"] * 50 + ["test"] * 10)
    parts = split_table(mine, Split(column="part", validation=0.2, test=0.0), 1)
    assert parts.test.tolist() == list(range(50, 60))
    drawn = split_rows(mine.y[:50], Split(validation=0.2, test=0), 1, classes=True)
    np.testing.assert_array_equal(parts.validation, drawn.validation)
    np.testing.assert_array_equal(parts.train, drawn.train)
    other = split_table(mine, Split(column="part", validation=0.2, test=0.0), 2)
    assert parts.validation.tolist() != other.validation.tolist()


groups = st.lists(st.integers(0, 12), min_size=30, max_size=200).filter(lambda g: len(set(g)) >= 6)


@settings(max_examples=60)
@given(groups, st.floats(0.1, 0.3), st.floats(0.0, 0.3), st.integers(0, 2**40))
def test_groups_are_never_torn(members, validation, test, seed):
    split = Split(group="who", validation=validation, test=test)
    mine = table(who=members)
    try:
        parts = split_table(mine, split, seed)
    except TrainingFailed:  # a group may be so large that it takes all
        assert max(members.count(m) for m in set(members)) > 0.3 * len(members)
        return
    assert sorted(np.concatenate(parts)) == list(range(len(members)))
    seen = [set(np.array(members)[rows]) for rows in parts]
    assert sum(map(len, seen)) == len(set(members))
    assert bool(len(parts.test)) == (test > 0)
    largest = max(members.count(m) for m in set(members))
    assert abs(len(parts.test) - test * len(members)) <= largest
    again = split_table(mine, split, seed)
    assert all(map(np.array_equal, parts, again))


@settings(max_examples=60)
@given(st.lists(st.floats(-1e9, 1e9), min_size=20, max_size=100, unique=True), st.floats(0.0, 0.3))
def test_time_goes_one_way(times, test):
    parts = split_table(table(when=times), Split(time="when", validation=0.2, test=test), 0)
    found = [np.array(times)[rows] for rows in parts]
    assert sorted(np.concatenate(parts)) == list(range(len(times)))
    assert found[0].max() < found[1].min()
    if test:
        assert found[1].max() < found[2].min()
        assert abs(len(parts.test) - test * len(times)) <= 1
    assert abs(len(parts.validation) - 0.2 * len(times)) <= 1.5


def test_rows_of_one_moment_stay_together():
    parts = split_table(table(when=[1] * 6 + [2] * 3 + [3] * 3), Split(time="when"), 0)
    assert [len(rows) for rows in parts] == [6, 3, 3]


@pytest.mark.parametrize(
    ("split", "marks", "sentence"),
    [
        (Split(column="none"), {"part": NAMES}, "must name a column of the data, got 'none'"),
        (Split(column="part"), {"part": ["validation", "test"]}, "at least one training row"),
        (Split(time="when"), {"when": [1.0] * 9}, "training row, and when leaves none"),
        (Split(time="when"), {"when": [1.0, np.nan]}, "a value in every row, and when has none in"),
    ],
)  # fmt: skip
def test_a_split_that_cannot_be_is_refused(split, marks, sentence):
    with pytest.raises(TrainingFailed, match=sentence):
        split_table(table(**marks), split, 0)
