"""The client against a server that listens, and against what is none."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI
from listening import listening
from rig import TOKEN, Rig, spec

import hpsearch
from hpsearch import Client
from hpsearch.client.client import EnsembleTimeout, StudyTimeout
from hpsearch.client.transport import Transport
from hpsearch.errors import (
    Conflict,
    HpsearchError,
    InvalidInput,
    NotFound,
    ServerRefused,
    ServerUnreachable,
    StaleLease,
    Unauthorized,
)
from hpsearch.processes.discovery import RunningServer, announce, ensure_token
from hpsearch.spec.language.states import FailureReason, StudyState
from hpsearch.spec.study import parse_study
from hpsearch.spec.wire.records import Study

TEXT = "name: wine\ntask: {dataset: wine}\noptimizer: {kind: sgd, lr: {log_uniform: [1e-5, 1]}}\n"


@pytest.fixture
def url(app: FastAPI) -> Iterator[str]:
    """Address of a server that listens."""
    with listening(app) as url:
        yield url


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with Client(url, TOKEN) as client:
        yield client


def test_a_spec_comes_in_any_form(client: Client, tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(TEXT)
    forms = [spec(), TEXT, '{"name": "x", "task": {"dataset": "wine"}, "optimizer": {"lr": 0.1}}']
    for form in (*forms, file, str(file), parse_study(spec())):
        study = client.submit(form)
        assert study.state is StudyState.QUEUED
    assert [study.id for study in client.studies()] == [6, 5, 4, 3, 2, 1]
    assert client.preview(TEXT).epochs_planned == 200


def test_a_study_is_read_to_its_end(client: Client, served: Rig) -> None:
    study = client.submit(spec(search={"trials": 3}))
    assert study.best_trial is None
    with pytest.raises(StudyTimeout, match="must be over in 0 s, and it is queued"):
        study.wait(timeout_seconds=0)
    for job, accuracy in zip(served.lease(served.join(), 3), (0.5, 0.9, 0.7), strict=True):
        served.report(job, 0, 1, val_accuracy=accuracy)
        served.store(job, 1, b"state", best=True)
        served.complete(job)
    readings: list[Study] = []
    assert study.wait(on_progress=readings.append).state is StudyState.COMPLETE
    assert readings[-1].counts.complete == 3
    assert study.best_trial is not None
    assert (study.best_trial.number, study.best_trial.value) == (1, 0.9)
    assert [trial.number for trial in study.trials(sort="-value")] == [1, 2, 0]
    assert study.trials(state="failed") == []
    assert [curve.values for curve in study.curves().curves] == [[0.5] * 2, [0.9] * 2, [0.7] * 2]
    assert study.curves("val_accuracy", [1], max_points=1).curves[0].max == [0.9]
    assert study.checkpoints(1).checkpoints[0].best
    assert study.events()[0].kind == "study_created"
    assert repr(study) == "Study(1, 'wine', complete, 3 trials ended, best 0.9)"


def test_verbs(client: Client) -> None:
    study = client.submit(spec())
    assert [study.pause().state, study.resume().state, study.stop().state] == [
        "paused", "queued", "stopped",
    ]  # fmt: skip
    assert study.clone(name="again").name == "again"
    study.delete()
    with pytest.raises(NotFound, match="none has id 1"):
        client.study(1)


def test_errors_arrive_as_the_exceptions_that_the_server_raised(
    client: Client, url: str, served: Rig
) -> None:
    with pytest.raises(InvalidInput) as caught:
        client.submit(spec(seed=-1, training={"epochs": 0}))
    assert [error.path for error in caught.value.errors] == ["seed", "training.epochs"]
    study = client.submit(spec())
    with pytest.raises(Conflict, match="stop it first"):
        study.delete()
    (job,) = served.lease(served.join())
    served.run_out(job)
    with Transport(url, TOKEN) as transport, pytest.raises(StaleLease, match="lease anew"):
        transport.post(f"/jobs/{job.id}:complete", Study, {"attempt": 1})


def test_a_second_call_under_one_key_returns_the_first_study(client: Client) -> None:
    first = client.submit(spec(), idempotency_key="mine")
    assert client.submit(spec(), idempotency_key="mine").id == first.id
    assert client.submit(spec()).id != first.id


@pytest.mark.parametrize("token", [None, "wrong"])
def test_a_wrong_token_is_refused(url: str, token: str | None) -> None:
    with Client(url, token) as client, pytest.raises(Unauthorized, match="must carry the server's"):
        client.studies()


def test_a_server_of_this_machine_and_its_token_are_found(
    app: FastAPI, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where these tests run may be a folder with a server of its own
    instance = app.state.services.instance
    announce(RunningServer(url, str(tmp_path / "data"), os.getpid(), instance))
    for client in (Client(), Client(url), Client(url + "/")):
        with client:
            assert client.url == url
            assert client.submit(spec()).id


def test_the_environment_names_server_and_token(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    announce(RunningServer("http://127.0.0.1:1", str(tmp_path), os.getpid(), "other"))
    monkeypatch.setenv("HPSEARCH_SERVER", url.removeprefix("http://"))
    monkeypatch.setenv("HPSEARCH_TOKEN", TOKEN)
    with Client() as client:
        assert client.url == url
        assert client.studies() == []


def test_a_token_is_found_in_the_data_directory(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ensure_token(tmp_path / "here", TOKEN)
    monkeypatch.setenv("HPSEARCH_DATA_DIR", str(tmp_path / "here"))
    with Client(url) as client:
        assert client.studies() == []


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_a_missing_server_is_reported_after_a_little_patience() -> None:
    began = time.monotonic()
    address = f"http://127.0.0.1:{_free_port()}"
    with (
        Client(address, "t", patience_seconds=0.3) as client,
        pytest.raises(ServerUnreachable) as caught,
    ):
        client.studies()
    assert f"a server must answer at {address}, and none does" in str(caught.value)
    assert "start one with `hpsearch up`" in str(caught.value)
    assert time.monotonic() - began < 5


def test_a_server_that_is_just_starting_is_waited_for(app: FastAPI) -> None:
    port = _free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning"))
    thread = threading.Thread(target=lambda: (time.sleep(0.5), server.run()))
    thread.start()
    with Client(f"http://127.0.0.1:{port}", TOKEN, patience_seconds=20) as client:
        assert client.submit(spec()).id == 1
        assert len(client.studies()) == 1
    server.should_exit = True
    thread.join(10)


class _Stranger(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(418 if "trials" in self.path else 200)
        self.end_headers()
        self.wfile.write(b"<h1>I am no hpsearch</h1>")

    def log_message(self, *_: object) -> None:
        pass


def test_another_program_at_the_address_is_reported() -> None:
    with HTTPServer(("127.0.0.1", 0), _Stranger) as stranger:
        thread = threading.Thread(target=stranger.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{stranger.server_address[1]}"
        with Transport(address, "t") as transport:
            with pytest.raises(ServerRefused, match="and something else does"):
                transport.get("/studies/1", Study)
            with pytest.raises(ServerRefused, match="the server answered 418"):
                transport.get("/studies/1/trials", Study)
        stranger.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("spec_or_path", "sentence"),
    [
        ("nowhere.yaml", "a spec file must be readable, and nowhere.yaml is not"),
        (Path("/"), "a spec file must be readable"),
        ("{", "a spec must be JSON or YAML"),
        ("a: 1\na: 2", "stands twice"),
        ("a\0b", "a spec file must be readable"),
    ],
)
def test_a_spec_that_cannot_be_read_is_refused(spec_or_path: str | Path, sentence: str) -> None:
    with Client("http://127.0.0.1:1", "t") as client, pytest.raises(InvalidInput) as caught:
        client.submit(spec_or_path)
    assert sentence in str(caught.value)


@pytest.mark.parametrize("address", ["http://[", "http://host:port", "ftp://host"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(HpsearchError):  # noqa: SIM117 (either may be the one to say so)
        with Client(address, "t", patience_seconds=0.1) as client:
            client.studies()


@pytest.mark.parametrize("token", ["tökén", "two\nlines", "日本"])
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(InvalidInput, match="token"):
        Client("http://127.0.0.1:1", token, patience_seconds=0.1)


def test_names_at_the_top() -> None:
    assert hpsearch.__all__ == ["Client", "Study", "load_ensemble"]


def trained(client: Client, served: Rig) -> int:
    """A study with one complete trial; its id."""
    study = client.submit(spec(search={"trials": 1}))
    (job,) = served.lease(served.join())
    served.report(job, 0, val_accuracy=0.5)
    served.store(job, 0, b"state", best=True)
    served.complete(job)
    return study.id


def test_an_ensemble_is_queued_listed_waited_for_and_deleted(client: Client, served: Rig) -> None:
    study = client.study(trained(client, served))
    assert study.ensembles() == []
    ensemble = study.build_ensemble("top_k", size=3, combine="vote", metric="val_loss")
    assert repr(ensemble) == "Ensemble(1 of study 1, top_k, queued, 0 members)"
    assert [listed.id for listed in study.ensembles()] == [ensemble.id]
    assert client.ensemble(ensemble.id).request["metric"] == "val_loss"
    with pytest.raises(EnsembleTimeout, match="must be built in 0 s, and it is queued; wait"):
        ensemble.wait(timeout_seconds=0)
    with pytest.raises(Conflict, match="complete"):
        ensemble.content()
    with pytest.raises(Conflict, match="complete"):
        ensemble.predict([[1.0]])
    (job,) = served.lease(served.join())
    served.fail(job, FailureReason.INVALID)
    with pytest.raises(Conflict, match=f"ensemble {ensemble.id} could not be built: it broke"):
        ensemble.wait()
    assert "it broke" in ensemble.refresh()._repr_html_()
    ensemble.delete()
    with pytest.raises(NotFound, match="an ensemble must exist"):
        client.ensemble(ensemble.id)


IMPOSSIBLE: list[tuple[str, dict[str, Any], str]] = [
    ("greedyy", {}, "kind: must be one of greedy, top_k"),
    ("top_k", {"size": 0}, "size: "),
    ("top_k", {"bags": 3}, "bags: no such field"),
    ("greedy", {"combine": "median"}, "combine: "),
    ("average", {"trial": 7}, "a trial must exist"),
    ("swa", {}, "training.swa"),
    ("soup_greedy", {}, "must start from one initialisation"),
]


def test_an_ensemble_that_cannot_be_is_refused_in_a_sentence(client: Client, served: Rig) -> None:
    study = client.study(trained(client, served))
    for kind, more, sentence in IMPOSSIBLE:
        with pytest.raises((InvalidInput, NotFound), match=sentence):
            study.build_ensemble(kind, **more)
        assert study.ensembles() == []


def test_a_study_without_a_complete_trial_has_no_ensembles(client: Client) -> None:
    with pytest.raises(Conflict, match="wait for one"):
        client.submit(spec()).build_ensemble()


def test_a_checkpoint_is_pinned_and_left_to_the_policy(client: Client, served: Rig) -> None:
    study = client.study(trained(client, served))
    (checkpoint,) = study.checkpoints(0).checkpoints
    assert client.pin(checkpoint.id).pinned
    assert study.checkpoints(0).checkpoints[0].pinned
    assert not client.pin(checkpoint.id, pinned=False).pinned


def test_garbage_is_listed_before_it_is_removed(client: Client, served: Rig) -> None:
    study = client.study(trained(client, served))
    stray = served.tuner.context.artifacts.put("studies/99/stray.safetensors", b"stray")
    os.utime(served.tuner.context.artifacts.path(stray.key), (0, 0))
    garbage = client.collect_garbage()
    assert (garbage.dry_run, [file.key for file in garbage.files], garbage.size_bytes) == (
        True, [stray.key], 5,
    )  # fmt: skip
    assert stray.key in served.artifacts()
    assert client.collect_garbage(dry_run=False).files == garbage.files
    assert stray.key not in served.artifacts()
    assert study.checkpoints(0).checkpoints
