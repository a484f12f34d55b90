"""How a deployment learns where its server answers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from hpsearch.errors import CannotStart
from hpsearch.processes import local_server
from hpsearch.processes.local_server import LocalDeployment
from hpsearch.processes.supervisor import Program

Starting = Callable[[str], Program]


@pytest.fixture
def starting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Starting]:
    """Starts a program that is no server."""
    monkeypatch.setattr(local_server, "START_SECONDS", 10.0)
    started: list[Program] = []

    def start(source: str) -> Program:
        process = subprocess.Popen(
            [sys.executable, "-c", source], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        started.append(Program("server", [], process=process))
        return started[-1]

    yield start
    for program in started:
        program.end()


def test_an_address_that_comes_with_other_lines_is_found(
    starting: Starting, capsys: pytest.CaptureFixture[str]
) -> None:
    said = b"a warning\nhpsearch serves at http://127.0.0.1:7\nmore\n"
    program = starting(f"import os, sys; os.write(1, {said!r}); sys.stdin.read()")
    assert LocalDeployment._await_address(program) == "http://127.0.0.1:7"
    assert "a warning" in capsys.readouterr().out


def test_a_program_that_ends_without_an_address_is_said_so(starting: Starting) -> None:
    with pytest.raises(CannotStart, match="the server must answer within"):
        LocalDeployment._await_address(starting("print('nothing')"))
    with pytest.raises(SystemExit):  # it has said why
        LocalDeployment._await_address(starting("raise SystemExit(1)"))


def test_a_server_that_stays_silent_is_waited_for_no_longer_than_that(
    starting: Starting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_server, "START_SECONDS", 0.5)
    with pytest.raises(CannotStart, match=r"within 0\.5 s"):
        LocalDeployment._await_address(starting("import sys; sys.stdin.read()"))
