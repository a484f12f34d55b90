"""One person, several servers: a client in a folder reaches that folder's server or none at all."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import permutations
from pathlib import Path

import pytest
from processes import Process, Service
from typer.testing import CliRunner

from hpsearch.cli.main import app
from hpsearch.client.server_address import find_server
from hpsearch.errors import HpsearchError, InvalidInput
from hpsearch.processes.discovery import RunningServer, announce

SPEC = "name: {name}\ntask: {{dataset: wine}}\noptimizer: {{lr: {{log_uniform: [0.001, 0.1]}}}}\n"


class Folder:
    """A project's folder with a server of its own at `.hpsearch`."""

    def __init__(self, path: Path, state: Path) -> None:
        path.mkdir()
        self.path = path
        self.service = Service.__new__(Service)
        self.service.directory = path
        self.service.data_dir = path / ".hpsearch"
        self.service.environment = {"XDG_STATE_HOME": str(state)}
        self.service.port = 0
        self.service.workers = []

    def start(self) -> Process:
        return self.service.start_server()


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Folder]]:
    state = tmp_path / "state"
    monkeypatch.setenv("XDG_STATE_HOME", str(state))
    for name in ("HPSEARCH_SERVER", "HPSEARCH_TOKEN", "HPSEARCH_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    made = {name: Folder(tmp_path / name, state) for name in ("left", "right")}
    yield made
    for folder in made.values():
        if hasattr(folder.service, "server"):
            folder.service.close()


def test_each_folder_reaches_its_own_server_or_is_told_to_choose(
    folders: dict[str, Folder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, right = folders["left"], folders["right"]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(left.path)
    assert find_server().url == "http://127.0.0.1:8470"  # the default: none runs
    right.start()
    monkeypatch.chdir(elsewhere)
    assert find_server().url == right.service.url  # the only one
    left.start()
    notes = sorted((tmp_path / "state/hpsearch/servers").glob("*.json"))
    for order in permutations(notes):  # whichever announced itself last
        for moment, note in enumerate(order, start=1):
            os.utime(note, (moment, moment))
        for folder in folders.values():
            monkeypatch.chdir(folder.path)
            address = find_server()
            assert (address.url, address.token) == (folder.service.url, folder.service.token)
            assert address.data_dir == folder.service.data_dir
        monkeypatch.chdir(elsewhere)
        with pytest.raises(InvalidInput, match="2 servers run and none of them belongs") as caught:
            find_server()
        assert left.service.url in str(caught.value)
        assert str(right.service.data_dir) in str(caught.value)

    monkeypatch.chdir(left.path)
    (left.path / "study.yaml").write_text(SPEC.format(name="from the left"))
    done = CliRunner().invoke(app, ["submit", "study.yaml"])
    assert done.exit_code == 0, done.output
    assert done.stderr == f"hpsearch: written to {left.service.url} ({left.service.data_dir})\n"
    read = CliRunner().invoke(app, ["studies"])
    assert "from the left" in read.stdout
    assert not read.stderr  # nothing was written

    left.service.server.kill()  # its note stays behind
    with pytest.raises(
        InvalidInput, match=r"the server of .*left/.hpsearch does not run"
    ) as caught:
        find_server()
    assert right.service.url in str(caught.value)
    done = CliRunner().invoke(app, ["submit", "study.yaml"])
    assert isinstance(done.exception, HpsearchError)
    monkeypatch.chdir(right.path)
    assert find_server().url == right.service.url
    assert "from the left" not in CliRunner().invoke(app, ["studies"]).stdout

    # The pid of the killed server goes to another program, its port to another server.
    gone = RunningServer(right.service.url, str(left.service.data_dir), os.getpid(), "ended")
    announce(gone)
    monkeypatch.chdir(left.path)
    with pytest.raises(InvalidInput, match="does not run"):
        find_server()
    assert find_server(right.service.url).token == right.service.token  # named by its address

    assert right.service.server.end() == 0
    assert find_server().url == "http://127.0.0.1:8470"
    remaining = {note.name for note in notes if note.exists()}
    assert not remaining, "notes of servers that ended"


def test_a_program_at_a_servers_old_address_is_not_taken_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>something else</html>")

        def log_message(self, *_: object) -> None:
            pass

    monkeypatch.chdir(tmp_path)
    with HTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        announce(RunningServer(url, str(tmp_path / ".hpsearch"), os.getpid(), "ended"))
        assert find_server().url == "http://127.0.0.1:8470"
        server.shutdown()
