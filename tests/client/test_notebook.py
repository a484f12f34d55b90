"""The notebook of the examples runs from top to bottom, and so does what it promises."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from notebook_runner import run
from running import running

from hpsearch.client.client import Client, Study
from hpsearch.errors import InvalidInput, NotFound
from hpsearch.processes.local_server import LocalDeployment

NOTEBOOKS = sorted((Path(__file__).parents[2] / "examples").glob("*.ipynb"))


@pytest.fixture(scope="module")
def deployment() -> Iterator[LocalDeployment]:
    with running() as started:
        yield started


@pytest.fixture
def client(deployment: LocalDeployment, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setenv("HPSEARCH_SERVER", deployment.url)
    monkeypatch.setenv("HPSEARCH_TOKEN", deployment.token)
    with Client() as opened:
        yield opened


@pytest.fixture(scope="module")
def study_id(deployment: LocalDeployment) -> int:
    """A small study of wine that is over."""
    with Client(deployment.url, deployment.token) as client:
        spec = {
            "name": "wine",
            "task": {"dataset": "wine", "model": {"kind": "mlp", "hidden": [8], "norm": "batch"}},
            "optimizer": {"kind": "adam", "lr": {"log_uniform": [1e-3, 1e-1]}},
            "training": {"epochs": 3},
            "search": {"trials": 4},
        }
        return client.submit(spec).wait(120).id


@pytest.fixture
def study(client: Client, study_id: int) -> Study:
    return client.study(study_id)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom(client: Client, path: Path) -> None:
    stored = json.loads(path.read_text())
    executed = run(json.loads(path.read_text()))
    for cell, before in zip(executed["cells"], stored["cells"], strict=True):
        if cell["cell_type"] == "code":
            kinds = [output["output_type"] for output in cell["outputs"]]
            assert kinds == [output["output_type"] for output in before["outputs"]], cell["source"]
            assert cell["execution_count"] == before["execution_count"]


def test_figures_are_the_server_s(
    client: Client, study: Study, deployment: LocalDeployment
) -> None:
    for figure, name in (
        (study.plot.curves("val_loss", top=3, log="y"), "val_loss by epoch"),
        (study.plot.scatter(y="value"), "val_accuracy × optimizer.lr"),
        (study.plot.history(), "Best val_accuracy so far"),
        (study.plot.trial(0, "accuracy"), "accuracy"),
    ):
        assert figure.layout.title.text == name
        assert any(len(trace.x) for trace in figure.data)
    with pytest.raises(InvalidInput, match="must be one of"):
        study.plot.scatter(x="nothing")


def test_a_loaded_model_scores_as_its_trial_did(study: Study) -> None:
    from hpsearch.training.data.sources import load
    from hpsearch.training.data.splits import split_rows

    best = study.best_trial
    assert best is not None
    model = best.load_model()
    table = load("wine")
    rows = split_rows(table.y, model.spec.task.split, study.spec["seed"], classes=True)
    predicted = model.predict(table.x[rows.test])
    right = [table.classes[y] == p for y, p in zip(table.y[rows.test], predicted, strict=True)]
    assert np.mean(right) == pytest.approx(best.metrics["test_accuracy"], abs=1e-12)
    probabilities = model.predict_probabilities(table.x[rows.validation])
    accuracy = (probabilities.argmax(-1).numpy() == table.y[rows.validation]).mean()
    assert accuracy == pytest.approx(best.value, abs=1e-12)
    assert probabilities.sum(-1).numpy() == pytest.approx(1.0, abs=1e-6)
    assert "layers.0.weight" in model.state_dict()
    assert "layers.0.norm.mean" in model.state_dict()
    last = study.trial(best.number).load_model("last")
    assert last.epoch == 2


def test_a_loaded_model_refuses_rows_of_another_shape(study: Study) -> None:
    best = study.best_trial
    assert best is not None
    with pytest.raises(InvalidInput, match=r"rows of shape \[13\], got \[4\]"):
        best.load_model()(np.zeros((2, 4)))


def test_a_model_of_images_takes_rows_of_the_version_that_it_was_trained_on(
    client: Client, tmp_path: Path
) -> None:
    def upload(size: int, **fields: Any) -> int:
        path = tmp_path / "tiles.npz"
        images = np.arange(40 * size * size, dtype=np.uint8).reshape(40, size, size)
        np.savez(path, x=images, y=np.arange(40) % 2)
        return client.add_dataset("tiles", path, **fields).version

    assert upload(6) == 1
    spec = {
        "name": "tiles",
        "task": {"dataset": "tiles", "model": "linear"},
        "optimizer": {"lr": 0.01},
        "training": {"epochs": 1},
        "search": {"trials": 1},
    }
    best = client.submit(spec).wait(60).best_trial
    assert best is not None
    assert upload(4, replace=True) == 2
    assert client.dataset("tiles").features == (1, 4, 4)
    assert client.dataset("tiles", 1).features == (1, 6, 6)
    assert best.load_model().features == (1, 6, 6)
    client.remove_dataset("tiles", 2)
    assert client.dataset("tiles").versions == (1,)


def test_a_trial_knows_its_curves_and_says_which(study: Study) -> None:
    trial = study.trial(0)
    assert trial.curve("val_loss").epochs == [0, 1, 2]
    with pytest.raises(NotFound, match=r"it has .*val_accuracy"):
        trial.curve("nothing")


def test_frames_agree_with_the_records(study: Study) -> None:
    frame = study.trials().to_frame()
    best = study.best_trial
    assert best is not None
    assert frame["value"].max() == best.value
    curves = study.curves("val_accuracy").to_frame()
    assert curves.groupby("trial")["val_accuracy"].max().tolist() == frame["value"].tolist()


def test_reprs_are_short_and_rich(client: Client, study: Study) -> None:
    trials = study.trials()
    rich: list[Any] = [study, trials, trials[0]]
    assert all("<" in handle._repr_html_() for handle in rich)
    assert repr(study).startswith(f"Study({study.id}, 'wine', complete")
    assert repr(trials[0]).startswith("Trial(0 of study")
    assert study.url == f"{client.url}/studies/{study.id}"
