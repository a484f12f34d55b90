"""The command line: JSON when asked for, one sentence when refused, and its exit status."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from running import running
from typer.testing import CliRunner, Result

from hpsearch.cli import main, options, studies
from hpsearch.client.client import Client
from hpsearch.client.progress_display import short_names
from hpsearch.errors import HpsearchError
from hpsearch.example_files import example, examples
from hpsearch.processes.local_server import LocalDeployment
from hpsearch.spec.language.document import read_document
from hpsearch.spec.study import parse_study
from hpsearch.training.data.sources import load
from hpsearch.version import VERSION

SPEC = """
name: "[red]wine[/]"
task: {dataset: wine, model: {hidden: [8]}}
optimizer: {kind: adam, lr: {log_uniform: [1.0e-3, 1.0e-1]}}
training: {epochs: 2}
search: {trials: 3}
"""


@pytest.fixture(scope="module")
def deployment() -> Iterator[LocalDeployment]:
    with running() as started:
        yield started


@pytest.fixture(autouse=True)
def _here(deployment: LocalDeployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HPSEARCH_SERVER", deployment.url)
    monkeypatch.setenv("HPSEARCH_TOKEN", deployment.token)
    monkeypatch.setattr(main.typer, "launch", lambda _: 0)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("specs") / "wine.yaml"
    path.write_text(SPEC)
    return path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main.app, list(arguments))


def as_json(*arguments: str) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def study(deployment: LocalDeployment, file: Path) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HPSEARCH_SERVER", deployment.url)
        patch.setenv("HPSEARCH_TOKEN", deployment.token)
        return str(as_json("submit", str(file), "--watch")["id"])


def test_every_command_speaks_json(study: str) -> None:
    assert as_json("version") == {"version": VERSION}
    assert study in [str(one["id"]) for one in as_json("studies")["studies"]]
    assert as_json("show", study)["state"] == "complete"
    assert [one["number"] for one in as_json("trials", study)["trials"]] == [0, 1, 2]
    assert as_json("events", study)["events"][0]["kind"] == "study_created"
    assert as_json("open", study)["url"].partition("?")[0].endswith(f"/studies/{study}")


def test_what_people_wrote_is_printed_as_it_is(study: str) -> None:
    assert "[red]wine[/]" in run("studies").stdout
    assert "[red]wine[/]" in run("show", study).stdout


def test_trials_are_listed_in_the_order_asked_for(study: str) -> None:
    values = [one["value"] for one in as_json("trials", study, "--sort=-value")["trials"]]
    assert values == sorted(values, reverse=True)
    assert as_json("trials", study, "--state=failed")["trials"] == []


def test_a_study_is_paused_resumed_stopped_and_deleted(tmp_path: Path) -> None:
    endless = tmp_path / "endless.yaml"
    endless.write_text(SPEC.replace("epochs: 2", "epochs: 1000000"))
    number = str(as_json("submit", str(endless))["id"])
    assert as_json("pause", number)["state"] == "paused"
    assert as_json("resume", number)["state"] in ("queued", "running")
    assert as_json("stop", number)["state"] == "stopped"
    assert run("show", number, "--watch").exit_code == studies.NOT_COMPLETE
    assert as_json("delete", number) == {"deleted": int(number)}
    refused = run("show", number)
    assert refused.exit_code == 1
    assert "none has id" in str(refused.exception)


def test_a_limit_is_named_where_a_study_ended_by_it_and_an_extension_goes_past_it(
    tmp_path: Path,
) -> None:
    bounded = tmp_path / "bounded.yaml"
    bounded.write_text(SPEC + "limits: {trials: 2}\n")
    number = str(as_json("submit", str(bounded), "--watch")["id"])
    shown = run("show", number).stdout
    assert "it ended by limit: 2 trials ended, the limit of 2 is reached" in shown
    refused = run("extend", number, "--trials=1", "--epochs=1")
    assert "exactly one of trials, epochs, budget, stages" in str(refused.exception)
    said = run("extend", number, "--trials=1").stdout
    assert f"study {number} is running again, by version 2 of its spec" in said
    assert "limits.trials: 2 → 3" in said
    again = as_json("show", number, "--watch")
    assert (again["state"], again["counts"]["complete"]) == ("complete", 3)


def test_the_address_to_open_lets_a_browser_in(deployment: LocalDeployment) -> None:
    assert run("open", "--no-browser").stdout.strip() == (
        f"{deployment.url}/studies?token={deployment.token}"
    )


def test_ids_of_studies_are_completed(study: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert study in [number for number, _ in options.complete_studies("")]
    assert options.complete_studies("x") == []
    monkeypatch.setenv("HPSEARCH_SERVER", "http://127.0.0.1:9")
    assert options.complete_studies("") == []


def test_a_refusal_is_one_sentence_and_status_one() -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "hpsearch.cli", "show", "4711"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("hpsearch: a study must exist")
    assert len(done.stderr.splitlines()) == 1


COLOURS = ("red", "007", "1")


def a_table(path: Path, rows: int, first: int = 0) -> Path:
    """Two classes that depend on a size and a colour; two of the colours look like numbers."""
    with path.open("w", newline="") as file:
        out = csv.writer(file, delimiter=";")
        out.writerow(["size", "colour", "kind"])
        for row in range(first, first + rows):
            size, colour = (row * 37 % 100) / 100, COLOURS[row % 3]
            kind = "large" if (colour == "007") != (size > 0.9) else "small"
            out.writerow(["" if row % 17 == 3 else size, "" if row % 19 == 5 else colour, kind])
    return path


@pytest.fixture(scope="module")
def uploaded(
    deployment: LocalDeployment, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path]:
    """An ensemble of an uploaded table's study: its id, and where it was downloaded to."""
    directory = tmp_path_factory.mktemp("uploaded")
    with Client(deployment.url, deployment.token) as client:
        table = a_table(directory / "table.csv", 240)
        client.add_dataset("table", table, target="kind", columns={"colour": "category"})
        study = client.submit(
            {
                "name": "table",
                "task": {"dataset": "table", "model": {"kind": "mlp", "hidden": [8]}},
                "optimizer": {"kind": "adam", "lr": 0.03},
                "training": {"epochs": 15, "batch_size": 16},
                "search": {"trials": 2},
            }
        ).wait(60)
        ensemble = study.build_ensemble("top_k", size=2).wait(60)
        return str(ensemble.id), ensemble.download(directory / "table.zip")


def test_rows_of_a_table_are_predicted_by_path_and_by_id(
    uploaded: tuple[str, Path], tmp_path: Path
) -> None:
    number, path = uploaded
    file = a_table(tmp_path / "fresh.csv", 60, first=1000)
    with file.open() as opened:
        rows = list(csv.DictReader(opened, delimiter=";"))
    (tmp_path / "fresh.json").write_text(
        json.dumps([{"size": row["size"] or None, "colour": row["colour"] or None} for row in rows])
    )
    printed = [
        run("predict", which, str(tmp_path / name)).stdout.split()
        for which in (number, str(path))
        for name in ("fresh.csv", "fresh.json")
    ]
    assert printed[0] == printed[1] == printed[2] == printed[3]
    coloured = [(kind, row) for kind, row in zip(printed[0], rows, strict=True) if row["colour"]]
    assert np.mean([kind == row["kind"] for kind, row in coloured]) > 0.8, (
        "a colour that looks like a number stays a colour"
    )


def test_a_damaged_part_is_reported_on_standard_error(
    uploaded: tuple[str, Path], tmp_path: Path
) -> None:
    with zipfile.ZipFile(uploaded[1]) as packed:
        packed.extractall(tmp_path / "unpacked")
    victim = next((tmp_path / "unpacked" / "parts").iterdir())
    victim.write_bytes(victim.read_bytes()[:-1] + b"x")
    result = run(
        "predict", str(tmp_path / "unpacked"), str(a_table(tmp_path / "rows.csv", 5)), "--json"
    )
    assert len(json.loads(result.stdout)["labels"]) == 5
    assert result.stderr.startswith(f"hpsearch: parts/{victim.name}: ")
    assert "it is left out" in result.stderr


@pytest.fixture(scope="module")
def digits(deployment: LocalDeployment) -> str:
    """The id of a study of images."""
    with Client(deployment.url, deployment.token) as client:
        spec = {
            "name": "digits",
            "task": {"dataset": "digits", "model": {"kind": "cnn", "layers": 1, "filters": 2}},
            "optimizer": {"kind": "adam", "lr": 0.01},
            "training": {"epochs": 2},
            "search": {"trials": 2},
        }
        return str(client.submit(spec).wait(60).id)


def test_an_ensemble_is_built_shown_downloaded_used_and_deleted(
    digits: str, tmp_path: Path
) -> None:
    assert "build one with: hpsearch ensemble build" in run("ensemble", "list", digits).stdout
    built = as_json("ensemble", "build", digits, "--kind=greedy", "--size=3", "--bags=2")
    number = str(built["id"])
    assert (built["state"], built["request"]["bags"]) == ("complete", 2)
    assert [one["id"] for one in as_json("ensemble", "list", digits)["ensembles"]] == [built["id"]]
    assert as_json("ensemble", "show", number) == built
    shown = run("ensemble", "show", number).stdout
    assert "greedy" in shown
    for title in ("mean member", "best trial", "95 % interval", "test accuracy", "calibration"):
        assert title in shown
    assert f"{built['members'][0]['weight']:.3f}" in shown
    target = tmp_path / "digits"
    assert as_json("ensemble", "download", number, str(target)) == {"path": str(target)}
    images = load("digits").x[:6]
    np.save(tmp_path / "images.npy", images)
    (tmp_path / "images.json").write_text(json.dumps(images.tolist()))
    answers = [
        as_json("predict", which, str(tmp_path / name))
        for which in (number, str(target))
        for name in ("images.npy", "images.json")
    ]
    assert all(answer == answers[0] for answer in answers)
    assert np.shape(answers[0]["probabilities"]) == (6, 10)
    lines = run("predict", str(target), str(tmp_path / "images.npy")).stdout.split()
    assert lines == answers[0]["labels"]
    assert as_json("ensemble", "delete", number) == {"deleted": built["id"]}
    assert as_json("ensemble", "list", digits)["ensembles"] == []


def test_a_model_is_exported_and_says_what_it_says_here(
    digits: str, deployment: LocalDeployment, tmp_path: Path
) -> None:
    path = tmp_path / "model.pt2"
    assert as_json("export", digits, "0", str(path), "--format=torch") == {
        "path": str(path), "format": "torch",
    }  # fmt: skip
    images = load("digits").x[:5].astype(np.float32)
    with Client(deployment.url, deployment.token) as client:
        expected = client.study(int(digits)).trial(0).load_model()(images).detach().numpy()
    exported = torch.export.load(path).module()(torch.from_numpy(images)).detach().numpy()
    np.testing.assert_allclose(exported, expected, rtol=1e-4, atol=1e-5)
    onnx = tmp_path / "model.onnx"
    assert "is in" in run("export", digits, "1", str(onnx)).stdout
    assert onnx.read_bytes()


def test_checkpoints_are_pinned_and_garbage_is_listed(
    digits: str, deployment: LocalDeployment
) -> None:
    with Client(deployment.url, deployment.token) as client:
        checkpoint = client.study(int(digits)).checkpoints(0).checkpoints[0]
    assert as_json("pin", str(checkpoint.id))["pinned"]
    assert not as_json("pin", str(checkpoint.id), "--undo")["pinned"]
    stray = deployment.data_dir / "artifacts" / "stray.safetensors"
    stray.write_bytes(b"stray")
    assert as_json("gc", "--dry-run")["files"] == [], "it is too young to be a stray"
    os.utime(stray, (0, 0))
    assert "1 files of 5 bytes would go" in run("gc", "--dry-run").stdout
    assert stray.exists()
    assert [file["key"] for file in as_json("gc")["files"]] == [stray.name]
    assert not stray.exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["ensemble", "build", "4711"], "a study must exist"),
        (["ensemble", "build", "STUDY", "--kind=best"], "kind: must be one of greedy"),
        (["ensemble", "build", "STUDY", "--kind=ema"], "training.ema"),
        (["ensemble", "show", "4711"], "an ensemble must exist"),
        (["ensemble", "download", "4711"], "an ensemble must exist"),
        (["predict", "4711", "rows.csv"], "an ensemble must exist"),
        (["predict", "nowhere.zip", "rows.csv"], "nothing is at 'nowhere.zip'"),
        (["predict", "TABLE", "nowhere.csv"], "No such file or directory"),
        (["predict", "TABLE", "rows.txt"], "must end in .csv"),
        (["predict", "TABLE", "wrong.csv"], "size, colour are not among length, width; add what"),
        (["predict", "PLACE", "wrong.csv"], "size, colour are not among length, width; add what"),
        (["predict", "PLACE", "word.csv"], "size: must be a finite number, got 'big'"),
        (["export", "STUDY", "4711", "m.onnx"], "a trial must exist"),
        (["export", "STUDY", "0", "nowhere/m.pt2", "--format=torch"], "a file that can be written"),
        (["pin", "4711"], "a checkpoint must exist"),
    ],
)
def test_a_mistake_is_refused_in_a_sentence(
    digits: str,
    uploaded: tuple[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.csv").write_text("size;colour\n1;red\n")
    (tmp_path / "wrong.csv").write_text("length,width\n1,2\n")
    (tmp_path / "word.csv").write_text("size,colour\nbig,red\n")
    meant = {"STUDY": digits, "TABLE": uploaded[0], "PLACE": str(uploaded[1])}
    result = run(*(meant.get(argument, argument) for argument in arguments))
    assert result.exit_code == 1
    assert isinstance(result.exception, HpsearchError)
    assert sentence in str(result.exception)
    assert "\n" not in str(result.exception)


@pytest.mark.parametrize("path", list(examples()), ids=lambda path: path.stem)
def test_examples_are_valid_studies(path: Path) -> None:
    assert parse_study(read_document(example(path.name).read_bytes())).name


def test_columns_are_named_by_the_last_part_of_a_parameter_unless_two_share_it() -> None:
    assert short_names(["optimizer.lr", "optimizer.weight_decay"]) == ["lr", "weight_decay"]
    assert short_names(["optimizer[adam].lr", "optimizer[sgd].lr", "seed"]) == [
        "optimizer[adam].lr",
        "optimizer[sgd].lr",
        "seed",
    ]
    names = ["task.model.hidden.0", "task.model.hidden.1", "a.b.c", "b.c", "c"]
    assert short_names(names) == ["hidden.0", "hidden.1", "a.b.c", "b.c", "c"]
