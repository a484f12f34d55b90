"""Classes with too few rows for every part of a split: their rows train, all other rows are divided
as they would be without them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpsearch.errors import TrainingFailed
from hpsearch.spec.task import Split
from hpsearch.training.data.folds import folds_of
from hpsearch.training.data.given_splits import split_table
from hpsearch.training.data.splits import split_rows
from hpsearch.training.uploads.table import Column, Table, category_column

SEEDS = st.integers(0, 2**40)


def table(y, *marks):
    classes = tuple(map(str, range(y.max() + 1)))
    return Table(np.zeros((len(y), 1)), y, classes, (Column("x"),), marks)


def labelled(sizes, seed):
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))


@settings(max_examples=60)
@given(
    st.lists(st.integers(1, 2), min_size=1, max_size=4),
    st.lists(st.integers(5, 40), min_size=1, max_size=3),
    st.sampled_from([0.1, 0.2]),
    st.sampled_from([0.1, 0.2]),
    SEEDS,
)
def test_all_their_rows_train_and_other_rows_are_divided_as_without_them(
    few, many, validation, test, seed
):
    split = Split(validation=validation, test=test)
    y = labelled([*many, *few], seed)
    is_rare = y >= len(many)
    parts = split_rows(y, split, seed, classes=True)
    assert sorted(np.concatenate(parts)) == list(range(len(y)))
    assert set(np.flatnonzero(is_rare)) <= set(parts.train)
    others = np.flatnonzero(~is_rare)
    alone = split_rows(y[others], split, seed, classes=True)
    assert np.array_equal(parts.validation, others[alone.validation])
    assert np.array_equal(parts.test, others[alone.test])


@settings(max_examples=60)
@given(
    st.lists(st.integers(3, 9), min_size=2, max_size=9),
    st.floats(0.3, 0.5),
    st.floats(0.3, 0.49),
    SEEDS,
)
def test_of_every_class_a_row_trains_however_large_the_other_parts(sizes, validation, test, seed):
    y = labelled(sizes, seed)
    parts = split_rows(y, Split(validation=validation, test=test), seed, classes=True)
    assert sorted(np.concatenate(parts)) == list(range(len(y)))
    assert set(y[parts.train]) == set(y)


def test_a_split_without_them_is_what_it_was():
    """Of the version before classes could be rare."""
    parts = split_rows(np.arange(24) % 3, Split(), 5, classes=True)
    assert parts.validation.tolist() == [1, 5, 8, 9, 15]
    assert parts.test.tolist() == [2, 3, 10, 11, 12]
    folds = folds_of(table(np.arange(24) % 3), Split(), 5, 3)
    assert [fold.validation.tolist() for fold in folds] == [
        [13, 15, 18, 19, 20, 22, 23],
        [0, 5, 7, 16, 17, 21],
        [1, 4, 6, 8, 9, 14],
    ]


@settings(max_examples=60)
@given(
    st.lists(st.integers(1, 2), min_size=1, max_size=4),
    st.lists(st.integers(5, 40), min_size=1, max_size=3),
    st.integers(2, 4),
    st.sampled_from([0.0, 0.2]),
    SEEDS,
)
def test_every_fold_trains_on_a_row_of_every_class(few, many, count, test, seed):
    y = labelled([*many, *few], seed)
    single = [len(many) + i for i, rows in enumerate(few) if rows == 1]
    folds = folds_of(table(y), Split(test=test), seed, count)
    for fold in folds:
        assert set(y[fold.train]) == set(y)
        assert np.array_equal(fold.test, folds[0].test)
        assert not set(fold.train) & set(fold.validation)
    assert not set(y[folds[0].test]) - set(range(len(many)))
    validated = np.concatenate([fold.validation for fold in folds])
    never = set(range(len(y))) - set(folds[0].test) - set(validated)
    assert len(set(validated)) == len(validated)
    assert never == set(np.flatnonzero(np.isin(y, single)))


def test_a_column_that_names_no_validation_rows_leaves_theirs_to_training():
    y = np.array([0] * 20 + [1] * 20 + [2])
    part = category_column("part", np.array(["train"] * 41))
    parts = split_table(table(y, part), Split(column="part", validation=0.5), 3)
    assert 40 in parts.train
    assert np.bincount(y[parts.validation]).tolist() == [10, 10]


def test_data_of_such_classes_alone_leaves_nothing_to_validate():
    y = np.repeat(np.arange(10), 2)
    with pytest.raises(TrainingFailed, match="at least one validation row, got none of 20 rows"):
        split_rows(y, Split(), 0, classes=True)
    with pytest.raises(TrainingFailed, match="at most the 0 rows that can validate, got 2"):
        folds_of(table(np.arange(10)), Split(), 0, 2)
