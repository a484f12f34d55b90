import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from hpsearch.errors import NotFound, TrainingFailed
from hpsearch.spec.task import Split, SupervisedTask
from hpsearch.spec.wire.datasets import BUILT_IN
from hpsearch.training.data.builtin import READERS
from hpsearch.training.data.datasets import dataset_for
from hpsearch.training.data.sources import load
from hpsearch.training.data.splits import split_rows
from hpsearch.training.data.standardize import fit

CPU = torch.device("cpu")


def prepared(name, seed=0, **fields):
    task = SupervisedTask(kind="supervised", dataset=name, **fields)
    return dataset_for(task, seed, device=CPU, dtype=torch.float64)


def test_sources_and_the_server_s_table_name_the_same_data():
    assert {*READERS, "quadratic"} == set(BUILT_IN)


@pytest.mark.parametrize("name", READERS)
def test_the_server_s_table_is_right_about(name):
    table, info = load(name), BUILT_IN[name]
    assert table.x.shape == (info.rows, *info.features)
    assert table.y.shape == (info.rows,)
    assert len(table.classes) == info.classes
    assert table.classes == info.class_names
    assert np.isfinite(table.x).all()
    if info.target == "classes":
        assert table.y.dtype == np.int64
        assert np.unique(table.y).tolist() == list(range(info.classes))
        assert tuple(np.bincount(table.y)) == info.class_rows


def test_an_unknown_name_is_refused():
    with pytest.raises(NotFound, match=r"no data set is called 'digit'; use one of digits"):
        load("digit")


@settings(max_examples=50)
@given(
    st.lists(st.integers(0, 3), min_size=20, max_size=200),
    st.floats(0.1, 0.4),
    st.floats(0.0, 0.4),
    st.integers(0, 2**40),
)
def test_a_split_is_a_partition_with_each_class_within_one_row(labels, validation, test, seed):
    y = np.array(labels)
    split = Split(validation=validation, test=test)
    y = y[[not split.is_rare((y == label).sum()) for label in y]]
    assume(len(y))
    parts = split_rows(y, split, seed, classes=True)
    assert sorted(np.concatenate(parts)) == list(range(len(y)))
    if all((y[parts.train] == label).sum() > 1 for label in y):  # so that no row had to move
        assert abs(len(parts.test) - len(y) * test) <= 0.5 + 1e-9
    for label in np.unique(y):
        size = (y == label).sum()
        trained = (y[parts.train] == label).sum()
        assert trained
        assert abs((y[parts.test] == label).sum() - size * test) <= 1 + (trained == 1)
        assert abs((y[parts.validation] == label).sum() - size * validation) <= 1 + (trained == 1)
    again = split_rows(y, split, seed, classes=True)
    assert all(map(np.array_equal, parts, again))


def test_seeds_split_differently():
    y = load("wine").y
    one, other = (split_rows(y, Split(), seed, classes=True).train for seed in (0, 1))
    assert not np.array_equal(one, other)


def test_a_split_without_validation_rows_is_refused():
    with pytest.raises(TrainingFailed, match="at least one validation row, got none of 10 rows"):
        split_rows(np.zeros(10), Split(validation=0.01), 0, classes=False)


@pytest.mark.parametrize(("kind", "oracle"), [("zscore", StandardScaler), ("minmax", MinMaxScaler)])
def test_tables_are_standardised_like_scikit_learn_s(kind, oracle):
    x = load("wine").x
    fitted = oracle().fit(x[:100])
    np.testing.assert_allclose(fit(x[:100], kind)(x), fitted.transform(x), atol=1e-12)


def test_constant_columns_become_zero_and_images_are_fitted_by_channel():
    x = np.column_stack([np.full(5, 0.1), np.arange(5.0)])
    for kind in ("zscore", "minmax"):
        assert np.abs(fit(x, kind)(x)[:, 0]).max() < 1e-15
    images = load("digits").x
    scaled = fit(images, "minmax")(images)
    assert scaled.min() == 0
    assert scaled.max() == 1
    np.testing.assert_allclose(scaled, images / 16)


def test_only_training_rows_are_looked_at():
    data = prepared("breast_cancer")
    assert data.train.x.mean(0).abs().max() < 1e-12
    assert (data.train.x.std(0, correction=0) - 1).abs().max() < 1e-12
    assert data.validation.x.mean(0).abs().max() > 1e-3
    assert len(data.train.x) + len(data.validation.x) + len(data.test.x) == 569


def test_digits_are_images_scaled_to_one_and_kept():
    data = prepared("digits")
    assert data.features == (1, 8, 8)
    assert (float(data.train.x.min()), float(data.train.x.max())) == (0.0, 1.0)
    assert data is prepared("digits")
    assert data.outputs == 10


def test_targets_that_are_numbers_are_standardised_too():
    data, table = prepared("diabetes"), load("diabetes")
    assert abs(float(data.train.y.mean())) < 1e-12
    assert float(data.train.y.std(correction=0)) == pytest.approx(1)
    fitted = data.standardization
    y = torch.cat([data.train.y, data.validation.y, data.test.y])
    own = (y * fitted.target_scale + fitted.target_shift).sort().values
    np.testing.assert_allclose(own, np.sort(table.y))
    raw = prepared("diabetes", standardize="none")
    assert (raw.standardization.target_shift, raw.standardization.target_scale) == (0.0, 1.0)
    assert raw.outputs == 1
