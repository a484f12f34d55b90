"""The command line: JSON when asked for, one sentence when refused, and its exit status."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running import running
from typer.testing import CliRunner, Result

from hpsearch import cli, cli_options
from hpsearch.example_files import example, examples
from hpsearch.spec.document import read_document
from hpsearch.spec.study import parse_study
from hpsearch.stack import Stack
from hpsearch.version import VERSION
from hpsearch.watching import short_names

SPEC = """
name: "[red]wine[/]"
task: {dataset: wine, model: {hidden: [8]}}
optimizer: {kind: adam, lr: {log_uniform: [1.0e-3, 1.0e-1]}}
training: {epochs: 2}
search: {trials: 3}
"""


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with running() as started:
        yield started


@pytest.fixture(autouse=True)
def _here(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HPSEARCH_SERVER", stack.url)
    monkeypatch.setenv("HPSEARCH_TOKEN", stack.token)
    monkeypatch.setattr(cli.typer, "launch", lambda _: 0)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("specs") / "wine.yaml"
    path.write_text(SPEC)
    return path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, list(arguments))


def as_json(*arguments: str) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def study(stack: Stack, file: Path) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HPSEARCH_SERVER", stack.url)
        patch.setenv("HPSEARCH_TOKEN", stack.token)
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


def test_a_study_is_paused_resumed_stopped_and_deleted(file: Path, stack: Stack) -> None:
    number = str(as_json("submit", str(file))["id"])
    assert as_json("pause", number)["state"] == "paused"
    assert as_json("resume", number)["state"] in ("queued", "running")
    assert as_json("stop", number)["state"] == "stopped"
    assert run("show", number, "--watch").exit_code == cli.NOT_COMPLETE
    assert as_json("delete", number) == {"deleted": int(number)}
    refused = run("show", number)
    assert refused.exit_code == 1
    assert "none has id" in str(refused.exception)


def test_the_address_to_open_lets_a_browser_in(stack: Stack) -> None:
    assert run("open", "--no-browser").stdout.strip() == (
        f"{stack.url}/studies?token={stack.token}"
    )


def test_ids_of_studies_are_completed(study: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert study in [number for number, _ in cli_options.complete_studies("")]
    assert cli_options.complete_studies("x") == []
    monkeypatch.setenv("HPSEARCH_SERVER", "http://127.0.0.1:9")
    assert cli_options.complete_studies("") == []


def test_a_refusal_is_one_sentence_and_status_one() -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "hpsearch.cli", "show", "4711"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("hpsearch: a study must exist")
    assert len(done.stderr.splitlines()) == 1


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
