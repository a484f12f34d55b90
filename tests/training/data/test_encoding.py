from __future__ import annotations

import json

import numpy as np
import pandas
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from studies import study, trained

from hpsearch.errors import NotFound
from hpsearch.spec.checks.complete import complete
from hpsearch.spec.wire.upload import ColumnReading
from hpsearch.training.data import local_uploads
from hpsearch.training.data.datasets import dataset_for
from hpsearch.training.data.encoding import Encoding, fit_encoding
from hpsearch.training.data.sources import load
from hpsearch.training.data.standardize import fit
from hpsearch.training.group.group import Plan
from hpsearch.training.uploads.describe import describe
from hpsearch.training.uploads.read_options import ReadOptions
from hpsearch.training.uploads.table import Column

COLUMNS = (Column("n"), Column("c", "category", ("p", "q", "r", "s")), Column("m"))


def test_it_imputes_and_encodes_like_scikit_learn():
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.normal(size=80), rng.integers(0, 4, 80), rng.normal(size=80)])
    x[rng.random(x.shape) < 0.1] = np.nan
    train, fresh = x[:50], x[50:]
    train[train[:, 1] == 3, 1] = 0
    categories = make_pipeline(
        SimpleImputer(strategy="most_frequent"),
        OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    )
    oracle = ColumnTransformer(
        [("n", SimpleImputer(strategy="median"), [0]), ("c", categories, [1]),
         ("m", SimpleImputer(strategy="median"), [2])]
    )  # fmt: skip
    oracle.fit(train)
    encoding = fit_encoding(COLUMNS, train)
    np.testing.assert_array_equal(encoding(fresh), oracle.transform(fresh))
    assert encoding.indicators.tolist() == [False, True, True, True, False]
    assert Encoding.from_json(encoding.as_json()) == encoding


@settings(max_examples=50)
@given(st.lists(st.tuples(st.none() | st.floats(-9, 9), st.none() | st.integers(0, 3)), min_size=1))
def test_nothing_is_missing_behind_it(rows):
    x = np.array([[np.nan if v is None else v for v in row] for row in rows], dtype=float)
    encoding = fit_encoding(COLUMNS[:2], x)
    encoded = encoding(x)
    assert np.isfinite(encoded).all()
    assert encoded.shape[1] == len(encoding.indicators)
    assert (encoded[:, 1:].sum(1) <= 1).all()
    assert encoding(np.full((1, 2), np.nan)).shape == (1, encoded.shape[1])


def test_a_column_can_be_left_out():
    x = np.array([[1.0, 0, 5], [2, 1, 6]])
    encoding = fit_encoding(COLUMNS, x, without=["n"])
    np.testing.assert_array_equal(encoding(x), [[1, 0, 5], [0, 1, 6]])
    rows = np.array([[np.nan, 1, 7], [np.nan, np.nan, np.nan]])
    np.testing.assert_array_equal(encoding(rows), [[0, 1, 7], [1, 0, 5.5]])


@pytest.mark.parametrize("kind", ["zscore", "minmax"])
def test_indicators_stay_0_and_1(kind):
    x = np.column_stack([np.arange(8.0) * 10, np.arange(8) % 2, np.ones(8)])
    fitted = fit(x, kind, encoding=fit_encoding(COLUMNS, x))
    standard = fitted(x)
    assert np.unique(standard[:, 1:3]).tolist() == [0, 1]
    expected = 0 if kind == "zscore" else 0.5
    assert standard[:, 0].mean() == pytest.approx(expected)


@pytest.fixture
def registered(tmp_path):
    """Registers a CSV of numbers and categories; returns the record of it."""

    def put(name="mine", text=None, target="y", **columns):
        lines = [
            f"{i % 7 if i % 5 else ''},{'abc'[i % 3]},{i // 4},{(i * i) % 2}" for i in range(60)
        ]
        path = tmp_path / name
        path.write_text(text or "\n".join(["n,c,who,y", *lines]))
        options = ReadOptions("csv", target, columns)
        local_uploads.register(
            local_uploads.LocalUpload(name, path, name * 4 + str(len(path.read_text())), options)
        )
        return describe(name, load(name))

    return put


def test_an_uploaded_table_trains_and_its_encoding_is_in_the_checkpoint(registered):
    info = registered()
    spec = complete(study("mine", task={"split": {"group": "who"}}), info)
    reports, saved = trained(Plan(0, spec, 3))
    assert len(reports) == 3
    assert np.isfinite(reports[-1].metrics["val_loss"])
    fitted = saved.standardization
    assert [column.name for column in fitted.encoding.columns] == ["n", "c"]
    assert fitted.shift.shape == (4,)
    data = dataset_for(spec.task, 0, device=torch.device("cpu"), dtype=torch.float64)
    again = fitted(load("mine").x)
    assert data.train.x.shape[1] == again.shape[1] == 4
    both = np.concatenate([p.x.numpy() for p in (data.train, data.validation, data.test)])
    np.testing.assert_allclose(np.sort(both, 0), np.sort(again, 0), atol=1e-12)


def test_other_content_under_a_name_is_read_anew(registered):
    registered(text="a,y\n" + "1,0\n2,1\n" * 10)
    spec = study("mine")
    cpu = {"device": torch.device("cpu"), "dtype": torch.float32}
    before = dataset_for(spec.task, 0, **cpu)
    assert dataset_for(spec.task, 0, **cpu) is before
    registered(text="a,b,y\n" + "1,2,0\n2,4,1\n" * 10)
    assert dataset_for(spec.task, 0, **cpu).features == (2,)
    with pytest.raises(NotFound, match="no data set is called 'other'"):
        load("other")


def test_of_many_categories_the_most_frequent_have_indicators():
    """As scikit-learn's encoder with as many categories, without its column for the others."""
    names = tuple(f"c{code:03}" for code in range(400))
    rng = np.random.default_rng(1)
    frequent = rng.permutation(400)[:256]
    codes = np.concatenate([np.arange(400), frequent, frequent]).astype(float)
    rng.shuffle(codes)
    encoding = fit_encoding([Column("c", "category", names)], codes[:, None])
    (column,) = encoding.columns
    assert column.codes == tuple(sorted(frequent.tolist()))
    assert set(column.other_categories) == set(names) - {names[code] for code in frequent}
    encoded = encoding(np.arange(400.0)[:, None])
    assert encoded.shape == (400, 256)
    np.testing.assert_array_equal(encoded.sum(1), np.isin(np.arange(400), frequent))
    assert Encoding.from_json(json.loads(json.dumps(encoding.as_json()))) == encoding


def test_the_names_of_very_many_categories_are_not_all_kept(monkeypatch):
    monkeypatch.setattr("hpsearch.training.data.encoding.MAX_OTHERS", 10)
    names = tuple(f"c{code:03}" for code in range(300))
    x = np.concatenate([np.arange(300.0), np.arange(5.0)])[:, None]
    (column,) = fit_encoding([Column("c", "category", names)], x).columns
    assert len(column.categories) == 256
    assert len(column.other_categories) == 10


def test_an_encoding_of_an_early_release_is_read_as_it_was():
    document = [
        {"name": "n", "place": 0, "fill": 1.5, "categories": [], "kept": []},
        {"name": "c", "place": 1, "fill": 2.0, "categories": ["p", "q", "r"], "kept": [0, 2]},
    ]
    encoding = Encoding.from_json(document)
    np.testing.assert_array_equal(
        encoding(np.array([[np.nan, 0], [3, np.nan], [4, 1], [5, -1]])),
        [[1.5, 1, 0], [3, 0, 1], [4, 0, 0], [5, 0, 0]],
    )
    assert encoding.feature_names == ("n", "c=p", "c=r")
    assert [column.reading for column in encoding.columns] == [None, None]
    assert Encoding.from_json(encoding.as_json()) == encoding
    document[1]["kept"] = [3]
    with pytest.raises(ValueError, match="other codes"):
        Encoding.from_json(document)


def test_dates_become_what_training_rows_differ_in():
    reading = ColumnReading(kind="date", date_order="dmy")
    days = pandas.date_range("2023-11-20", periods=90, freq="D")
    seconds = days.as_unit("s").asi8.astype(float)
    x = np.column_stack([seconds, np.arange(90.0)])
    x[[3, 50], 0] = np.nan
    encoding = fit_encoding([Column("at", "date", reading=reading), Column("n")], x)
    assert encoding.feature_names[:-1] == (
        "at:elapsed", "at:year", "at:month_sin", "at:month_cos", "at:day_sin", "at:day_cos",
        "at:weekday_sin", "at:weekday_cos",
    )  # fmt: skip
    assert encoding.columns[0].fill == np.nanmedian(x[:, 0])
    encoded = encoding(x)
    assert np.isfinite(encoded).all()
    np.testing.assert_array_equal(encoded[3], [*encoding(np.array([[np.nan, 3.0]]))[0]])
    assert not encoding.indicators.any()
    read = Encoding.from_json(json.loads(json.dumps(encoding.as_json())))
    assert read == encoding
    assert read.columns[0].reading == reading
