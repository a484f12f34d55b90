from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from hpsearch.processes.discovery import (
    RunningServer,
    announce,
    ensure_token,
    read_token,
    running_servers,
    token_path,
)


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    return tmp_path / "state" / "hpsearch" / "servers"


def test_a_token_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert read_token(data) is None
    token = ensure_token(data)
    assert len(token) >= 32
    assert ensure_token(data) == read_token(data) == token
    assert _mode(token_path(data)) == 0o600
    assert ensure_token(tmp_path / "other") != token


def test_a_given_token_wins_and_is_kept(tmp_path: Path) -> None:
    ensure_token(tmp_path)
    assert ensure_token(tmp_path, "given") == "given"
    assert ensure_token(tmp_path) == read_token(tmp_path) == "given"
    assert _mode(token_path(tmp_path)) == 0o600
    assert ensure_token(tmp_path, "") == "given"
    assert ensure_token(tmp_path, " spaced\n") == read_token(tmp_path) == "spaced"


def test_an_open_token_file_is_shut(tmp_path: Path) -> None:
    token_path(tmp_path).write_text("old\n")
    token_path(tmp_path).chmod(0o644)
    assert ensure_token(tmp_path) == "old"
    assert _mode(token_path(tmp_path)) == 0o600


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
def test_no_umask_opens_the_token(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        ensure_token(tmp_path)
    finally:
        os.umask(before)
    assert _mode(token_path(tmp_path)) == 0o600


def test_an_empty_token_file_is_no_token(tmp_path: Path) -> None:
    token_path(tmp_path).write_text("\n")
    assert read_token(tmp_path) is None
    assert ensure_token(tmp_path)


def test_a_running_server_is_found_the_latest_first(notes: Path) -> None:
    assert running_servers() == []
    first = RunningServer("http://127.0.0.1:1", "/a", os.getpid(), "i")
    second = RunningServer("http://127.0.0.1:2", "/b", os.getppid(), "i")
    note = announce(first)
    os.utime(note, (1, 1))
    announce(second)
    assert running_servers() == [second, first]
    assert _mode(note) == 0o600
    assert _mode(notes) == 0o700
    note.unlink()
    assert running_servers() == [second]


def test_a_dead_servers_note_is_cleared_away(notes: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    note = announce(RunningServer("http://127.0.0.1:1", "/a", gone.pid, "i"))
    assert running_servers() == []
    assert not note.exists()


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "{}", '{"url": 1}', '{"url": "u", "data_dir": "d", "pid": "x"}',
     '{"url": "u", "data_dir": "d", "pid": 1%s}' % ("0" * 40)],
)  # fmt: skip
def test_a_note_that_is_none_is_passed_over(notes: Path, text: str) -> None:
    notes.mkdir(parents=True)
    (notes / "1.json").write_text(text)
    assert running_servers() == []


def test_servers_that_come_and_go_do_not_disturb(notes: Path) -> None:
    over = threading.Event()

    def churn() -> None:
        while not over.is_set():
            announce(RunningServer("http://127.0.0.1:1", "/a", os.getpid(), "i")).unlink()

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for _ in range(300):
            assert len(running_servers()) <= 1
    finally:
        over.set()
        thread.join()
