"""The command line as people use it: names for ids, JSON for programs, Ctrl-C in the middle."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from rich.console import Console
from running import running

from hpsearch.cli import main, output
from hpsearch.processes.local_server import LocalDeployment
from hpsearch.version import VERSION

SPEC = """
name: {name}
task: {{dataset: iris}}
optimizer: {{lr: {{log_uniform: [0.001, 0.1]}}}}
training: {{epochs: {epochs}}}
search: {{trials: 2}}
"""


@pytest.fixture(scope="module")
def deployment() -> Iterator[LocalDeployment]:
    with running() as started:
        yield started


@pytest.fixture(autouse=True)
def _here(deployment: LocalDeployment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HPSEARCH_SERVER", deployment.url)
    monkeypatch.setenv("HPSEARCH_TOKEN", deployment.token)
    monkeypatch.chdir(tmp_path)


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """What a command prints and its exit status, without the start of an interpreter."""
    argv, sys.argv = sys.argv, ["hpsearch", *arguments]
    console, output.out = output.out, Console()
    printed, errors = io.StringIO(), io.StringIO()
    status = 0
    try:
        with redirect_stdout(printed), redirect_stderr(errors):
            main.main()
    except SystemExit as ended:
        status = int(ended.code or 0)
    finally:
        sys.argv, output.out = argv, console
    return subprocess.CompletedProcess(arguments, status, printed.getvalue(), errors.getvalue())


def submit(name: str, epochs: int = 1) -> int:
    Path("study.yaml").write_text(SPEC.format(name=name, epochs=epochs))
    done = command("submit", "study.yaml", "--json")
    assert done.returncode == 0, done.stderr
    return int(json.loads(done.stdout)["id"])


def test_a_name_stands_for_an_id_and_of_several_the_newest_is_said() -> None:
    first = submit("two of a kind")
    assert json.loads(command("show", "two of a kind", "--json").stdout)["id"] == first
    second = submit("two of a kind")
    shown = command("show", "two of a kind", "--json")
    assert json.loads(shown.stdout)["id"] == second
    assert f"this is the newest, study {second}" in shown.stderr
    refused = command("delete", "two of a kind")
    assert refused.returncode == 1
    assert "must be an id, as several studies are called" in refused.stderr
    missing = command("show", "nobody")
    assert missing.returncode == 1
    assert "none is called 'nobody'" in missing.stderr


def test_a_refusal_is_json_for_programs_and_a_sentence_for_people() -> None:
    Path("study.yaml").write_text("name: x\ntask: {dataset: iris}\noptimizer: {lr: fast}\n")
    people, program = command("submit", "study.yaml"), command("submit", "study.yaml", "--json")
    assert people.returncode == program.returncode == 1
    assert people.stderr.startswith("hpsearch: optimizer.lr: ")
    assert not people.stdout
    error = json.loads(program.stdout)["error"]
    assert error["code"] == "invalid_input"
    assert [field["path"] for field in error["errors"]] == ["optimizer.lr"]
    assert not program.stderr


def test_the_version_is_an_option_too() -> None:
    assert command("--version").stdout == f"{VERSION}\n"


def test_leaving_a_watched_study_says_that_it_goes_on() -> None:
    Path("study.yaml").write_text(SPEC.format(name="long", epochs=2000))
    process = subprocess.Popen(
        [sys.executable, "-m", "hpsearch.cli", "submit", "study.yaml", "--watch"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    line = process.stdout.readline()
    while "ended" not in line:  # the first line of its progress
        line = process.stdout.readline()
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=30)
    study = json.loads(command("show", "long", "--json").stdout)
    assert process.returncode == 130
    assert f"study {study['id']} goes on; watch it with" in told
    assert "Traceback" not in told
    assert study["state"] in ("queued", "running")
    assert command("stop", "long").returncode == 0
