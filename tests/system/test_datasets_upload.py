"""A CSV goes up by curl, and workers elsewhere train on it."""

from __future__ import annotations

import csv
import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from processes import Service

from hpsearch.client.client import Client
from hpsearch.errors import Conflict, InvalidInput, NotFound
from hpsearch.spec.language.states import StudyState
from hpsearch.training.checkpoints import checkpoint as checkpoints

COLOURS = ("red", "green", "blue")


def write_table(path: Path, rows: int = 120) -> None:
    """Two classes told by a number and a colour; some fields are empty."""
    draw = random.Random(0)
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["size", "colour", "person", "day", "kind"])
        for row in range(rows):
            size, colour = draw.gauss(0, 1), draw.choice(COLOURS)
            kind = "large" if size + (colour == "red") > 0.5 else "small"
            out.writerow(
                [
                    "" if row % 17 == 3 else f"{size:.4f}",
                    "" if row % 19 == 5 else colour,
                    f"p{row % 30}",
                    f"2026-{1 + row // 28:02}-{1 + row % 28:02}",
                    kind,
                ]
            )


def curl(service: Service, *arguments: str) -> tuple[int, dict[str, object]]:
    done = subprocess.run(
        [
            "curl", "--silent", "--write-out", "\n%{http_code}",
            "--header", f"Authorization: Bearer {service.token}",
            *arguments[:-1], f"{service.url}/api/v1{arguments[-1]}",
        ],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    body, _, status = done.stdout.rpartition("\n")
    return int(status), json.loads(body) if body else {}


STUDY = {
    "name": "mine",
    "task": {"dataset": "mine", "model": {"kind": "mlp", "hidden": [8]}},
    "optimizer": {"kind": "adam", "lr": {"log_uniform": [1e-3, 1e-1]}},
    "training": {"epochs": 8},
    "search": {"trials": 3},
}


def test_a_csv_sent_by_curl_is_trained_on_by_a_worker_elsewhere(
    start_service: Callable[..., Service], tmp_path: Path
) -> None:
    service = start_service()
    table = tmp_path / "table.csv"
    write_table(table)
    form = ["--form", "name=mine", "--form", "target=kind", "--form", f"file=@{table}"]
    columns = ["--form", 'columns={"person": "ignore", "day": "ignore"}']
    status, answer = curl(service, *form, *columns, "/datasets")
    assert status == 201, answer
    assert (answer["name"], answer["rows"], answer["features"]) == ("mine", 120, [2])
    assert (answer["target"], answer["classes"]) == ("classes", 2)
    assert answer["class_names"] == ["large", "small"]
    status, again = curl(service, *form, *columns, "/datasets")
    assert (status, again) == (200, answer)
    with table.open("a") as file:
        file.write("1.0,red,p1,2026-06-01,large\n")
    status, problem = curl(service, *form, *columns, "/datasets")
    assert status == 409
    assert "choose another name, or send it with replace=true" in str(problem["detail"])

    elsewhere = tmp_path / "elsewhere"
    service.start_worker(f"--data-dir={elsewhere}")
    splits = ({}, {"group": "person"}, {"time": "day"})
    with service.client() as client:
        studies = [
            client.submit({**STUDY, "task": {**STUDY["task"], "split": split}})  # type: ignore[dict-item]
            for split in splits
        ]
        with pytest.raises(Conflict, match=r"study 1 trains on mine; wait for it or stop it"):
            client.remove_dataset("mine")
        for study in studies:
            study.wait(90)
            assert study.state is StudyState.COMPLETE, study.events()
            assert study.best_trial is not None
            assert study.best_trial.value is not None
            assert study.best_trial.value > 0.7
            assert "test_accuracy" in study.best_trial.metrics
        assert (elsewhere / "cache" / "datasets" / str(answer["sha256"])).is_file()
        check_encoding(client, studies[0].id)
        client.remove_dataset("mine")
        with pytest.raises(NotFound, match="none is called 'mine'"):
            client.remove_dataset("mine")
        with pytest.raises(InvalidInput, match="none is called 'mine'"):
            studies[0].clone()


def check_encoding(client: Client, study_id: int) -> None:
    study = client.study(study_id)
    best = study.best_trial
    assert best is not None
    fitted = checkpoints.read(best.download()).standardization
    assert fitted is not None
    assert fitted.encoding is not None
    model = best.load_model()
    strange = [{"size": 1, "colour": "red"}, {"colour": "violet"}, {"colour": None}]
    assert model.unknown_categories(strange) == {"colour": 1}
    encoded = fitted(model.read_rows(strange).x)
    assert encoded.shape == (3, 4)  # a number, and an indicator for each colour
    assert encoded[0, 1:].sum() == 1
    assert encoded[1, 1:].sum() == 0
    assert encoded[2, 1:].sum() == 1
    assert np.isfinite(encoded).all()
    rows = [{"size": 3, "colour": "red"}, {"size": -3, "colour": "blue"}]
    assert model.predict(rows) == ["large", "small"]
    with pytest.raises(InvalidInput, match=r"0\.size: must be a finite number, got 'big'"):
        model.predict([{"size": "big"}])


WIDE = {
    "name": "wide",
    "task": {
        "dataset": "wide",
        "split": {"group": "person"},
        "model": {
            "choice": [
                "linear",
                {
                    "kind": "mlp",
                    "layers": {"int_uniform": [1, 3]},
                    "units": {"int_log_uniform": [4, 16]},
                    "activation": {"choice": ["relu", "tanh", "gelu"]},
                    "dropout": {"uniform": [0, 0.4]},
                },
            ]
        },
    },
    "optimizer": {
        "choice": [
            {"kind": "adam", "lr": {"log_uniform": [1e-3, 1e-1]}},
            {"kind": "nesterov", "lr": {"log_uniform": [1e-2, 1]}, "momentum": 0.9},
            {"kind": "rmsprop", "lr": {"log_uniform": [1e-4, 1e-2]}},
        ]
    },
    "schedule": {"choice": ["constant", "cosine", {"kind": "step", "step_size": 2}]},
    "training": {
        "epochs": 3,
        "batch_size": {"choice": [8, 16, 32]},
        "l1": {"log_uniform": [1e-6, 1e-3]},
        "label_smoothing": {"uniform": [0, 0.2]},
    },
    "search": {"trials": 16},
}


def test_a_wide_search_runs_to_its_end_on_an_uploaded_csv(service: Service, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    write_table(table)
    with service.client() as client:
        client.add_dataset("wide", table, target="kind", columns={"person": "category"})
        study = client.submit(WIDE).wait(120)
        assert study.state is StudyState.COMPLETE, study.events()
        assert study.record.counts.failed == 0
        trials = study.trials()
        assert {trial.params["optimizer"] for trial in trials} == {"adam", "nesterov", "rmsprop"}
        assert len({name for trial in trials for name in trial.params}) >= 12


def test_images_and_numbers_are_trained_on_too(service: Service, tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    labels = np.arange(120) % 2
    images = (draw.random((120, 6, 6)) * 100 + 100 * labels[:, None, None]).astype(np.uint8)
    packed = tmp_path / "images.npz"
    np.savez(
        packed, x_train=images[:90], y_train=labels[:90], x_test=images[90:], y_test=labels[90:]
    )
    table = tmp_path / "table.csv"
    x = draw.normal(size=(100, 2))
    lines = [f"{a},{b},{3 * a - b + 1000}\n" for a, b in x]
    table.write_text("a,b,y\n" + "".join(lines))
    rest = {
        "optimizer": {"lr": 0.01},
        "training": {"epochs": 20, "batch_size": 8},
        "search": {"trials": 1},
    }
    cnn = {"kind": "cnn", "layers": 1, "filters": 2}
    with service.client() as client:
        client.add_dataset("images", packed)
        client.add_dataset("line", table, target="y")
        tasks = (
            {"dataset": "images", "model": cnn, "split": {"column": "split"}},
            {"dataset": "line", "model": {"kind": "mlp", "hidden": [16]}},
        )
        seen, lines_study = (
            client.submit({"name": "s", "task": task, **rest}).wait(90) for task in tasks
        )
        best = seen.best_trial
        assert best is not None, seen.events()
        assert best.metrics["test_accuracy"] > 0.9
        best = lines_study.best_trial
        assert best is not None, lines_study.events()
        assert best.metrics["test_r2"] > 0.5
        assert lines_study.spec["objective"]["metric"] == "val_loss"


def test_the_command_line_adds_lists_and_removes(service: Service, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("a,b,y\n" + "".join(f"{i % 11},{i % 7},{i * 0.5}\n" for i in range(50)))

    def hpsearch(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-P", "-m", "hpsearch.cli", "datasets", *arguments]
        environment = {"HPSEARCH_SERVER": service.url, "HPSEARCH_TOKEN": service.token}
        return subprocess.run(
            command, capture_output=True, text=True, check=False,
            env={"PATH": "/usr/bin", **service.environment, **environment},
        )  # fmt: skip

    added = hpsearch("add", "lines", str(table), "--target", "y")
    assert added.returncode == 0, added.stderr
    assert added.stdout.startswith("lines, version 1: 50 rows of 2 columns\n")
    assert "target y: numbers, 50 different" in added.stdout
    listed = hpsearch("list")
    assert "lines" in listed.stdout
    assert "built in" in listed.stdout
    described = json.loads(hpsearch("add", "lines", str(table), "--target=y", "--json").stdout)
    assert described["target"] == "numbers"
    table.write_text("a,b,y\n" + "".join(f"{i % 11},{i % 7},{i * 0.5}\n" for i in range(40)))
    conflict = hpsearch("add", "lines", str(table), "--target", "y")
    assert conflict.returncode == 1
    assert "or send it with --replace: it becomes version 2" in conflict.stderr
    assert (
        "version 2: 40 rows"
        in hpsearch("add", "lines", str(table), "--target=y", "--replace").stdout
    )
    assert "version 1 (the newest is 2): 50 rows" in hpsearch("show", "lines", "--version=1").stdout
    refused = hpsearch("add", "other", str(table), "--target=z")
    assert refused.returncode == 1
    assert refused.stderr.strip() == (
        "hpsearch: target: must name a column of the file, got 'z'; there are a, b, y"
    )
    assert hpsearch("remove", "lines").returncode == 0
    assert '"lines"' not in hpsearch("list", "--json").stdout


def test_a_worker_heals_a_damaged_cache(
    start_service: Callable[..., Service], tmp_path: Path
) -> None:
    service = start_service()
    table = tmp_path / "table.csv"
    write_table(table)
    with service.client() as client:
        added = client.add_dataset(
            "mine", table, target="kind", columns={"person": "ignore", "colour": "category"}
        )
        cache = tmp_path / "elsewhere" / "cache" / "datasets"
        cache.mkdir(parents=True)
        (cache / added.sha256).write_bytes(b"damaged")
        service.start_worker(f"--data-dir={cache.parents[1]}")
        study = client.submit(STUDY).wait(90)
        assert study.state is StudyState.COMPLETE, study.events()
        assert (cache / added.sha256).read_bytes() == table.read_bytes()
        assert shutil.which("curl")
