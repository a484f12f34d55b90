"""Folds hold what scikit-learn's hold, on the rows that the fixed split does not test on."""

from __future__ import annotations

from unittest.mock import Mock

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold
from sklearn.preprocessing import StandardScaler

from hpsearch.errors import TrainingFailed
from hpsearch.spec.task import Split, SupervisedTask
from hpsearch.training.data.datasets import dataset_for
from hpsearch.training.data.folds import Fold, folds_of
from hpsearch.training.data.given_splits import divide, split_table
from hpsearch.training.data.sources import load
from hpsearch.training.uploads.table import Column, ColumnValues, Table, category_column

CPU = torch.device("cpu")
SEEDS = st.integers(0, 2**40)


def table(y, **marks):
    y = np.asarray(y)
    classes = tuple(map(str, np.unique(y))) if y.dtype.kind == "i" else ()
    found = [
        category_column(name, np.asarray(values)) if isinstance(values[0], str)
        else ColumnValues(Column(name), np.asarray(values, float))
        for name, values in marks.items()
    ]  # fmt: skip
    return Table(np.zeros((len(y), 1)), y, classes, (Column("x"),), tuple(found))


def assert_each_row_validates_once(folds, fixed):
    others = sorted([*fixed.train, *fixed.validation])
    assert sorted(np.concatenate([fold.validation for fold in folds])) == others
    for fold in folds:
        assert sorted([*fold.train, *fold.validation]) == others
        np.testing.assert_array_equal(fold.test, fixed.test)
        assert all(list(part) == sorted(part) for part in fold)


@settings(max_examples=60)
@given(
    st.lists(st.integers(12, 40), min_size=1, max_size=4),
    st.integers(2, 6),
    st.floats(0.0, 0.4),
    SEEDS,
)
def test_classes_are_spread_as_scikit_learn_spreads_them(members, count, test, seed):
    y = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(members)), members))
    mine, split = table(y), Split(test=test, validation=0.2)
    folds = folds_of(mine, split, seed, count)
    fixed = split_table(mine, split, seed)
    assert_each_row_validates_once(folds, fixed)
    rest = np.sort(np.concatenate([fixed.train, fixed.validation]))
    theirs = [rest[held] for _, held in StratifiedKFold(count).split(rest, y[rest])]
    assert sizes(f.validation for f in folds) == sizes(theirs)
    for label in np.unique(y):
        ours = sizes(f.validation[y[f.validation] == label] for f in folds)
        assert ours == sizes(held[y[held] == label] for held in theirs)
        assert ours[-1] - ours[0] <= 1
    again = folds_of(mine, split, seed, count)
    assert all(map(np.array_equal, (f.validation for f in folds), (f.validation for f in again)))


def sizes(parts):
    return sorted(map(len, parts))


@settings(max_examples=30)
@given(st.integers(10, 80), st.integers(2, 8), SEEDS)
def test_numbers_are_divided_evenly(rows, count, seed):
    mine, split = table(np.linspace(0.0, 1.0, rows)), Split()
    folds = folds_of(mine, split, seed, count)
    fixed = divide(mine, split, seed)
    assert_each_row_validates_once(folds, fixed)
    theirs = KFold(count).split(np.concatenate([fixed.train, fixed.validation]))
    assert sizes(f.validation for f in folds) == sizes(held for _, held in theirs)


@settings(max_examples=40)
@given(
    st.lists(st.integers(0, 12), min_size=30, max_size=120).filter(lambda g: len(set(g)) >= 9),
    st.integers(2, 4),
    st.floats(0.0, 0.2),
    SEEDS,
)
def test_groups_are_never_torn_and_are_packed_as_scikit_learn_packs_them(who, count, test, seed):
    groups, split = np.array(who), Split(group="who", test=test)
    mine = table(np.arange(len(who)) % 2, who=who)
    fixed = divide(mine, split, seed)
    rest = np.sort(np.concatenate([fixed.train, fixed.validation]))
    if len(set(groups[rest])) < count:
        with pytest.raises(TrainingFailed, match="groups of who that do not test"):
            folds_of(mine, split, seed, count)
        return
    folds = folds_of(mine, split, seed, count)
    assert_each_row_validates_once(folds, fixed)
    for fold in folds:
        assert not set(groups[fold.train]) & set(groups[fold.validation])
    theirs = GroupKFold(count).split(rest, groups=groups[rest])
    assert sizes(f.validation for f in folds) == sizes(held for _, held in theirs)


def test_another_seed_draws_other_folds():
    mine = table(np.arange(60) % 3)
    one, other = (folds_of(mine, Split(), seed, 3)[0].validation for seed in (1, 2))
    assert not np.array_equal(one, other)


def test_a_column_that_names_test_rows_alone_leaves_the_others_to_folds():
    part = ["test" if i % 5 == 0 else "train" for i in range(50)]
    mine = table(np.arange(50) % 2, part=part)
    folds = folds_of(mine, Split(column="part"), 0, 4)
    assert folds[0].test.tolist() == list(range(0, 50, 5))
    assert sorted(np.concatenate([f.validation for f in folds])) == [
        i for i in range(50) if i % 5
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("split", "marks", "sentence"),
    [
        (Split(time="when"), {"when": range(9)}, "cannot go with task.split.time, and when says"),
        (Split(column="part"), {"part": ["train"] * 6 + ["validation", "test", "test"]},
         "cannot go with task.split.column, and part says which rows validate; leave folds out"),
        (Split(column="who"), {}, "must name a column of the data, got 'who'"),
        (Split(test=0.8, validation=0.1), {}, "at most the 0 rows that can validate, got 3; use"),
        (Split(group="who"), {"who": [0, 1, 2] * 3}, "at most the 2 groups of who that do not"),
    ],
)  # fmt: skip
def test_rows_that_cannot_be_folded_are_refused(split, marks, sentence):
    with pytest.raises(TrainingFailed, match=sentence):
        folds_of(table(np.arange(9) % 2, **marks), split, 0, 3)


def test_a_share_for_validation_plays_no_part():
    mine = table(np.arange(60) % 3)
    one, other = (folds_of(mine, Split(validation=v), 4, 3) for v in (0.001, 0.5))
    for fold, same in zip(one, other, strict=True):
        assert all(map(np.array_equal, fold, same))


def test_each_fold_is_standardised_by_its_own_training_rows():
    task = SupervisedTask(kind="supervised", dataset="wine")
    x = load("wine").x
    for index in range(3):
        data = dataset_for(task, 7, device=CPU, dtype=torch.float64, fold=Fold(index, 3))
        oracle = StandardScaler().fit(x[data.indices.train])
        for part, rows in zip((data.train, data.validation, data.test), data.indices, strict=True):
            np.testing.assert_allclose(part.x, oracle.transform(x[rows]), atol=1e-12)
    plain = dataset_for(task, 7, device=CPU, dtype=torch.float64)
    np.testing.assert_array_equal(plain.indices.test, data.indices.test)


def test_each_fold_fills_holes_and_names_categories_by_its_own_training_rows(monkeypatch):
    from hpsearch.training.data import datasets

    rng = np.random.default_rng(0)
    x = np.column_stack([rng.normal(size=60), rng.integers(0, 3, 60).astype(float)])
    x[::7, 0] = np.nan
    columns = (Column("size"), Column("colour", "category", ("b", "g", "r")))
    mine = Table(x, np.arange(60) % 2, ("no", "yes"), columns)
    source = Mock(table=lambda: mine)
    monkeypatch.setattr(datasets, "find_source", lambda name, version: source)
    datasets._folded.cache_clear()
    task = SupervisedTask(kind="supervised", dataset="holes")
    for index in range(3):
        data = dataset_for(task, 0, device=CPU, dtype=torch.float64, fold=Fold(index, 3))
        fills = np.nanmedian(x[data.indices.train, 0])
        assert data.standardization.encoding.columns[0].fill == pytest.approx(fills)
    datasets._folded.cache_clear()
