"""Exported models give what they give here, in other programs."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from hpsearch.ensemble_builder.input_columns import features_of
from hpsearch.errors import InvalidInput, UnknownCategoryWarning
from hpsearch.inference.export import export_model, graph_of
from hpsearch.inference.model import TrainedMean, TrainedModel, TrainedPredictor, model_of
from hpsearch.inference.torch_module import ACTIVATIONS, BUILDERS
from hpsearch.optional import MissingPackage
from hpsearch.spec.model import MODELS
from hpsearch.spec.study import StudySpec, parse_study
from hpsearch.training.checkpoints import checkpoint as checkpoints
from hpsearch.training.checkpoints import multi_run
from hpsearch.training.data.date_features import DateFeatures
from hpsearch.training.data.encoding import EncodedColumn, Encoding
from hpsearch.training.data.sources import load
from hpsearch.training.group.multi_run_group import group_for
from hpsearch.training.models import activations
from hpsearch.training.tasks.plan import Plan

torch.set_num_threads(1)


def stored(dataset: str, model: Any, **training: Any) -> tuple[StudySpec, bytes]:
    document = {
        "name": "test",
        "task": {"dataset": dataset, "model": model},
        "optimizer": {"kind": "momentum", "lr": 0.03},
        "training": {"epochs": 1, "batch_size": 64, "train_fraction": 0.3, **training},
    }
    spec = parse_study(document)
    group = group_for([Plan(0, spec, 1)])
    list(group.epochs())
    return spec, group.checkpoint(0)


def trained(dataset: str, model: Any, **training: Any) -> TrainedPredictor:
    spec, blob = stored(dataset, model, **training)
    runs = multi_run.run_checkpoints(blob)
    return model_of(runs, features_of(spec, runs[0]) or ())


def rows_of(dataset: str, count: int = 40) -> np.ndarray:
    return load(dataset).x[:count].astype(np.float32)


def cnn(**fields: Any) -> dict[str, Any]:
    return {"kind": "cnn", "filters": 3, **fields}


GRAPHS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "linear": ("iris", {"kind": "linear"}, {}),
    "images as rows": ("digits", {"kind": "mlp", "hidden": [6]}, {}),
    "no hidden layer": ("iris", {"kind": "mlp", "hidden": []}, {}),
    "batch norm": ("wine", {"kind": "mlp", "hidden": [6, 5], "norm": "batch"}, {}),
    "layer norm": ("wine", {"kind": "mlp", "hidden": [6, 5], "norm": "layer"}, {}),
    "dropout": ("wine", {"kind": "mlp", "hidden": [6], "dropout": 0.5}, {}),
    "numbers": ("diabetes", {"kind": "mlp", "hidden": [6]}, {}),
    "cnn": ("digits", cnn(units=5, norm="batch"), {}),
    "even kernels": ("digits", cnn(kernel=2, stride=2, norm="layer", pool=1), {}),
    "valid padding": ("digits", cnn(layers=1, padding="valid", kernel=4), {}),
    "maps smaller than the window": ("digits", cnn(layers=3, pool=4), {}),
    "resnet": ("digits", {"kind": "resnet", "width": 3, "depth": 14}, {}),
    "folds": ("wine", {"kind": "mlp", "hidden": [6]}, {"folds": 2}),
    "folds of numbers": ("diabetes", {"kind": "linear"}, {"folds": 2}),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_plain_modules_give_what_the_engine_s_give(name: str) -> None:
    dataset, model, training = GRAPHS[name]
    found = trained(dataset, model, **training)
    x = rows_of(dataset)
    plain = graph_of(found)
    torch.testing.assert_close(plain(torch.from_numpy(x)), found(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("activation", activations.ACTIVATIONS)
def test_plain_activations_are_the_engine_s(activation: str) -> None:
    x = torch.linspace(-4, 4, 64)
    torch.testing.assert_close(ACTIVATIONS[activation]()(x), activations.ACTIVATIONS[activation](x))


def test_every_model_kind_can_be_exported() -> None:
    assert set(BUILDERS) == set(MODELS.members.values())
    assert ACTIVATIONS.keys() == activations.ACTIVATIONS.keys()


EXPORTED: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "mlp": ("wine", {"kind": "mlp", "hidden": [6], "norm": "batch"}, {"folds": 2}),
    "resnet": ("digits", {"kind": "resnet", "width": 2}, {}),
    "numbers": ("diabetes", {"kind": "linear"}, {}),
}


@pytest.mark.parametrize("name", ["mlp", "resnet"])
def test_onnx_runs_without_torch(name: str, tmp_path: Path) -> None:
    dataset, model, training = EXPORTED[name]
    found, path = trained(dataset, model, **training), tmp_path / "model.onnx"
    export_model(found, path)
    onnx.checker.check_model(onnx.load(path), full_check=True)
    session = onnxruntime.InferenceSession(path)
    for count in (40, 1):  # whatever rows it was traced with
        x = rows_of(dataset, count)
        (outputs,) = session.run(None, {"rows": x})
        expected = found(x).detach().numpy()
        np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-5)
    said = session.get_modelmeta().custom_metadata_map
    assert json.loads(said["classes"]) == list(found.classes)
    assert list(tmp_path.iterdir()) == [path]  # weights included


@pytest.mark.parametrize("name", EXPORTED)
def test_torch_loads_a_program(name: str, tmp_path: Path) -> None:
    dataset, model, training = EXPORTED[name]
    found, path = trained(dataset, model, **training), tmp_path / "model.pt2"
    export_model(found, path, "torch")
    said = {"classes": ""}
    program = torch.export.load(path, extra_files=said).module()
    for count in (40, 1):
        x = rows_of(dataset, count)
        torch.testing.assert_close(program(torch.from_numpy(x)), found(x), rtol=1e-5, atol=1e-5)
    assert json.loads(said["classes"] or "[]") == list(found.classes)


def of_a_table(encoding: Encoding) -> TrainedModel:
    """A model of 13 encoded columns that takes rows of a table."""
    spec, blob = stored("wine", {"kind": "linear"})
    saved = checkpoints.read(blob)
    fitted = replace(saved.standardization, encoding=encoding)
    found = model_of([replace(saved, standardization=fitted)], features_of(spec, saved) or ())
    assert isinstance(found, TrainedModel)
    return found


NUMBERS = tuple(EncodedColumn(f"n{i}", i, 0.0) for i in range(9))
DAY = 86_400.0
ENCODING = Encoding(
    (
        *NUMBERS,
        EncodedColumn("kind", 9, 0.0, categories=("red", "white"), codes=(0, 2)),
        EncodedColumn("at", 10, 0.0, dates=DateFeatures(3 * DAY, ("elapsed", "year"))),
    )
)


def test_of_a_table_encoded_rows_are_taken_and_named(tmp_path: Path) -> None:
    found = of_a_table(ENCODING)
    rows = [{f"n{i}": float(i) for i in range(9)} | {"kind": kind} for kind in ("white", "green")]
    records = [row | {"at": "1970-01-06T12:00"} for row in rows]
    encoded = np.array([[*range(9), 0, 1, 2.5, 1970], [*range(9), 0, 0, 2.5, 1970]], np.float32)
    export_model(found, tmp_path / "model.pt2", "torch")
    said = {"columns": "", "encoding": ""}
    program = torch.export.load(tmp_path / "model.pt2", extra_files=said).module()
    with pytest.warns(UnknownCategoryWarning, match="kind in 1 of 2 rows"):
        expected = found(records)
    torch.testing.assert_close(program(torch.from_numpy(encoded)), expected)
    names = ["n8", "kind=red", "kind=white", "at:elapsed", "at:year"]
    assert json.loads(said["columns"])[8:] == names
    assert Encoding.from_json(json.loads(said["encoding"])) == ENCODING


@pytest.mark.parametrize(
    "other",
    [
        EncodedColumn("kind", 9, 0.0, categories=("red", "rose"), codes=(0, 1)),
        EncodedColumn("at", 10, 0.0, dates=DateFeatures(4 * DAY, ("elapsed", "year"))),
    ],
)
def test_folds_that_encode_a_table_in_other_ways_are_no_graph(other: EncodedColumn) -> None:
    columns = [other if column.name == other.name else column for column in ENCODING.columns]
    runs = [of_a_table(ENCODING), of_a_table(Encoding(tuple(columns)))]
    with pytest.raises(InvalidInput, match=r"must encode a table alike, .* model\.runs\[0\]"):
        graph_of(TrainedMean(runs))
    assert graph_of(runs[1]) is not None
    assert graph_of(TrainedMean([runs[0], of_a_table(ENCODING)])) is not None


def test_onnx_is_named_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    found = trained("iris", {"kind": "linear"})
    with pytest.raises(MissingPackage, match=r"pip install 'hpsearch\[export\]'"):
        export_model(found, tmp_path / "model.onnx")


def test_another_format_is_refused(tmp_path: Path) -> None:
    found = trained("iris", {"kind": "linear"})
    with pytest.raises(InvalidInput, match="must be onnx or torch, got keras; use onnx"):
        export_model(found, tmp_path / "model", "keras")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
