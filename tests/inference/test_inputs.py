"""Rows in every form that people have them in: predicted as they are meant, or refused."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from finished_study import FinishedStudy, finished
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from hpsearch.ensemble_builder import build
from hpsearch.ensembling.combining import Combined, combine
from hpsearch.errors import InvalidInput, UnknownCategoryWarning
from hpsearch.inference import ensemble as trained_ensemble
from hpsearch.inference.ensemble import TrainedEnsemble, load_ensemble
from hpsearch.inference.inputs import numeric_rows
from hpsearch.inference.model import model_of
from hpsearch.spec.ensemble import EnsembleSpec
from hpsearch.training.checkpoints import multi_run
from hpsearch.training.data import local_uploads
from hpsearch.training.data.sources import load as rows_of
from hpsearch.training.uploads.read_options import ReadOptions

X = np.arange(26, dtype=np.float64).reshape(2, 13)


def ensemble_of(study: FinishedStudy, **request: Any) -> TrainedEnsemble:
    asked: EnsembleSpec = TypeAdapter(EnsembleSpec).validate_python(request)
    return load_ensemble(build(asked, study.spec, study.candidates, study).content)


@cache
def wine() -> TrainedEnsemble:
    return ensemble_of(finished(), kind="top_k", size=3)


@cache
def digits() -> TrainedEnsemble:
    model = (("kind", "cnn"), ("layers", 1), ("filters", 4), ("norm", "batch"))
    study = finished("digits", (0.01, 0.003), 1, "val_accuracy", model=model, training=())
    return ensemble_of(study, kind="top_k", size=2)


@dataclass(frozen=True)
class Polars:
    """What a frame of polars offers."""

    frame: pd.DataFrame

    @property
    def columns(self) -> list[str]:
        return [str(name) for name in self.frame.columns]

    def to_dicts(self) -> list[dict[str, Any]]:
        return self.frame.to_dict("records")  # type: ignore[return-value]

    def to_dict(self, *, as_series: bool = True) -> Any:
        raise NotImplementedError(as_series)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self.frame.to_numpy(dtype)


FRAME = pd.DataFrame(X, columns=[f"c{i}" for i in range(13)])
FORMS: dict[str, Any] = {
    "lists": X.tolist(),
    "whole numbers": X.astype(np.int64),
    "unsigned bytes": X.astype(np.uint8),
    "half precision": X.astype(np.float16),
    "bfloat16": torch.from_numpy(X).bfloat16(),
    "objects": X.astype(object),
    "fractions": np.array([[Fraction(int(v)) for v in row] for row in X], object),
    "read-only": np.frombuffer(X.tobytes()).reshape(2, 13),
    "Fortran order": np.asfortranarray(X),
    "every second row": np.repeat(X, 2, axis=0)[::2],
    "backwards twice": X[::-1, ::-1][::-1, ::-1],
    "the other byte order": X.astype(">f8"),
    "pandas": FRAME,
    "pandas' nullable numbers": FRAME.astype("Float64"),
    "pandas, several types": FRAME.astype({"c0": "Int64", "c1": "float32"}),
    "Arrow": pa.Table.from_pandas(FRAME),
    "polars": Polars(FRAME),
    "an unmasked array": np.ma.MaskedArray(X),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_same_numbers_say_the_same_in_any_form(form: str) -> None:
    expected = wine().predict_probabilities(X)
    assert wine().predict_probabilities(FORMS[form]).tobytes() == expected.tobytes()


STRANGE: dict[str, tuple[Any, str]] = {
    "masked": (np.ma.MaskedArray(X, X > 20), "a number in every place, got a masked array"),
    "missing": (FRAME.astype("Float64").mask(FRAME > 20), "must hold numbers, got"),
    "not a number": (FRAME.mask(FRAME > 20), r"x\.1: must hold finite numbers, got NaN"),
    "none": (X.astype(object) * [*[1] * 12, np.nan], r"x\.0: must hold finite numbers"),
    "dates": (np.full((2, 13), "2020-01-01", "M8[D]"), "must hold numbers, got datetime.date"),
    "texts of numbers": (X.astype(str), "must hold numbers, got '0.0'"),
    "bytes": (b"abc", "must hold numbers, got b'abc'"),
    "complex": (X * 1j, "must hold numbers, got 0j"),
    "a mapping": ({"c0": 1.0}, "must hold numbers, got {'c0': 1.0}"),
    "a generator": ((row for row in X), "must hold numbers, got <generator"),
    "sparse": (torch.from_numpy(X).to_sparse(), "must hold numbers, got 'Tensor'"),
    "beyond 64 bits": (np.full((1, 13), 10**400, object), "must hold numbers, got 'one beyond"),
    "records": (np.zeros(2, [("a", "f8")]), r"must hold numbers, got \(0\.0,\)"),
    "too few columns": (FRAME.drop(columns="c0"), r"shape \[rows, 13\], got \[2, 12\]"),
    "too many columns": (FRAME.assign(more=1), r"shape \[rows, 13\], got \[2, 14\]"),
    "huge": (np.full((3, 13), 1e300), r"x\.0: must hold numbers like those .* same unit"),
}


@pytest.mark.parametrize("what", STRANGE)
def test_what_cannot_be_meant_is_refused_in_a_sentence(what: str) -> None:
    x, sentence = STRANGE[what]
    with pytest.raises(InvalidInput, match=sentence):
        wine().predict(x)


@pytest.mark.parametrize("x", [[], np.empty(0), np.empty((0, 13)), FRAME.iloc[:0]])
def test_no_rows_are_predicted_as_none(x: Any) -> None:
    assert wine().predict(x).shape == (0,)
    assert wine().predict_probabilities(x).shape == (0, 3)
    assert wine().predict_probabilities(x, calibrated=True).shape == (0, 3)
    assert wine().answer([]).predictions == []


def test_images_in_another_order_are_told_how_to_be_put() -> None:
    x = rows_of("digits").x[:3]
    assert len(digits().predict(x)) == 3
    for strange, remedy in (
        (np.moveaxis(x, 1, -1), r"put channels first: np\.moveaxis\(x, -1, 1\)"),
        (x[:, 0], r"give it an axis of channels: x\[:, None\]"),
        (x.reshape(3, 64), r"reshape it: x\.reshape\(-1, 1, 8, 8\)"),
        (x[0], r"put a single row in \[\]"),
    ):
        with pytest.raises(InvalidInput, match=remedy):
            digits().predict(strange)


def test_a_row_far_down_is_named_by_its_own_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trained_ensemble, "CHUNK_ROWS", 10)
    x = np.repeat(X[:1], 40, axis=0)
    x[33] = 1e300
    with pytest.raises(InvalidInput, match=r"x\.33: must hold numbers like"):
        wine().predict(x)


@settings(max_examples=30)
@given(
    st.integers(1, 30), st.integers(1, 12),
    st.sampled_from(["mean", "weighted", "vote"]),
)  # fmt: skip
def test_rows_in_chunks_say_what_they_say_at_once(count: int, chunk: int, how: Any) -> None:
    """All members' outputs of all rows held at once, over the same forward passes."""
    ensemble = wine()
    rng = np.random.default_rng(count)
    x = rows_of("wine").x[rng.integers(0, 178, count)]
    passes = [slice(start, start + chunk) for start in range(0, count, chunk)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trained_ensemble, "CHUNK_ROWS", chunk)
        patch.setattr(ensemble, "_manifest", ensemble._manifest.model_copy(update={"combine": how}))
        members = np.stack(
            [
                np.concatenate([ensemble._values(one, x[rows], rows.start) for rows in passes])
                for one in ensemble._models
            ]
        )
        expected = combine(members, ensemble._weights, how)
        found = ensemble._combined(x)
    assert found.values.tobytes() == expected.values.tobytes()
    assert found.labels is not None
    assert expected.labels is not None
    assert found.labels.tobytes() == expected.labels.tobytes()


def test_memory_does_not_grow_with_members(monkeypatch: pytest.MonkeyPatch) -> None:
    """Members are combined a chunk at a time: no more rows than that come together."""
    monkeypatch.setattr(trained_ensemble, "CHUNK_ROWS", 16)
    together, plain = list[int](), trained_ensemble.combine

    def counting(members: Any, *others: Any) -> Combined:
        together.append(members.shape[1])
        return plain(members, *others)

    monkeypatch.setattr(trained_ensemble, "combine", counting)
    wine().predict(rows_of("wine").x[:100])
    assert together == [16] * 6 + [4]


@pytest.fixture
def sales(tmp_path: Path) -> TrainedEnsemble:
    """Of an uploaded table with a column of numbers and one of categories."""
    lines = [f"{i % 7},{'abc'[i % 3]},{['no', 'yes'][i % 2]}" for i in range(60)]
    path = tmp_path / "table.csv"
    path.write_text("\n".join(["size,town,sold", *lines]))
    local_uploads.register(
        local_uploads.LocalUpload("sales", path, "1" * 64, ReadOptions("csv", "sold"))
    )
    return ensemble_of(finished("sales", (0.01, 0.03), 2, training=(("ema", "{}"),)), kind="top_k")


def test_frames_go_by_the_names_of_their_columns(sales: TrainedEnsemble) -> None:
    frame = pd.DataFrame({"size": [0.0, 3.0, np.nan, 6.0], "town": ["a", "b", None, "never"]})
    with pytest.warns(UnknownCategoryWarning, match="town in 1 of 4 rows \\('never'\\)"):
        expected = sales.predict_probabilities(frame.to_dict("records")).tobytes()
    for x in (
        frame,
        frame[["town", "size"]],
        frame.assign(sold="no", more=[[1], 2, None, "x"]),
        frame.astype({"town": "category"}),
        frame.astype({"size": "Int64"}),
        frame.convert_dtypes(dtype_backend="pyarrow"),
        frame.astype({"size": str}).replace({"nan": None}),
        pa.Table.from_pandas(frame),
        pa.Table.from_pandas(frame).to_batches()[0],
        Polars(frame[["town", "size"]]),
        [
            {"size": 0, "town": "a"},
            {"town": "b", "size": 3},
            {"size": None},
            {"size": 6, "town": 9},
        ],
    ):
        with pytest.warns(UnknownCategoryWarning, match="town in 1 of 4 rows"):
            assert sales.predict_probabilities(x).tobytes() == expected
    assert sales.predict([]).shape == (0,)
    assert sales.predict(frame.iloc[:0]).shape == (0,)


@pytest.mark.parametrize(
    ("x", "sentence"),
    [
        (pd.DataFrame({"town": ["a"]}), "and size is not among town; add what is missing"),
        (pa.table({"town": ["a"]}), "and size is not among town; add what is missing"),
        (Polars(pd.DataFrame({"Size": [1], "town": ["a"]})), "the column size, got 'Size'"),
        (pa.table([[1], [2], ["a"]], ["size", "size", "town"]), "got 'size' more often"),
        ([{"size": float("inf")}], r"x\.0\.size: must be a finite number, got inf"),
        ([{"size": 1}, {"size": 10**400}], r"x\.1\.size: must be a finite number, got '1000"),
        ([{"size": "1e400"}], r"x\.0\.size: must be a finite number, got '1e400'"),
        ([{"size": 1}, {"size": "wide"}], r"1\.size: must be a finite number, got 'wide'"),
        ([{"size": [1]}], r"0\.size: must be a finite number, got '\[1\]'"),
        ([1, 2], r"x\.0: must map columns to values, got 1"),
        (np.zeros((2, 2)), r"x\.0: must map columns to values"),
        (iter([]), "must be a DataFrame or a list of rows, got list_iterator"),
    ],
)
def test_a_table_s_strange_rows_are_refused(sales: TrainedEnsemble, x: Any, sentence: str) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        sales.predict(x)


def test_a_value_far_down_is_named_by_its_own_row(
    sales: TrainedEnsemble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trained_ensemble, "CHUNK_ROWS", 10)
    with pytest.raises(InvalidInput, match=r"33\.size: must be a finite number"):
        sales.predict([{"size": "wide" if place == 33 else 1} for place in range(40)])


@settings(max_examples=100)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
        ),
        max_leaves=20,
    )
)
def test_whatever_is_given_numbers_come_or_a_sentence(x: Any) -> None:
    with contextlib.suppress(InvalidInput):
        rows = numeric_rows(x, (2,))
        assert rows.shape[1:] == (2,)
        assert np.isfinite(rows).all()


def test_a_single_model_holds_rows_to_the_same_rules() -> None:
    study = finished()
    model = model_of(multi_run.run_checkpoints(study.checkpoint(study.candidates[0])), (13,))
    expected = model.predict(X)
    for form in ("lists", "bfloat16", "objects", "pandas", "Arrow", "backwards twice"):
        assert model.predict(FORMS[form]) == expected
    for what in ("not a number", "texts of numbers", "masked", "huge"):
        x, sentence = STRANGE[what]
        with pytest.raises(InvalidInput, match=sentence):
            model.predict(x)
    numbers = finished("diabetes", (0.01, 0.03), 2, "val_loss", training=())
    regressor = model_of(
        multi_run.run_checkpoints(numbers.checkpoint(numbers.candidates[0])), (10,)
    )
    with pytest.raises(InvalidInput, match="these are numbers; use predict"):
        regressor.predict_probabilities(X[:, :10])
