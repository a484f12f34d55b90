"""The examples in the client's docstrings run against a server with a small finished study."""

from __future__ import annotations

import doctest
import inspect
import pkgutil
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from listening import listening
from rig import TOKEN

import hpsearch
import hpsearch.client
from api.app import create_app
from hpsearch.client.client import Client, Curves, Ensemble, Study, Trial, Trials
from hpsearch.errors import IllegalTransition
from hpsearch.settings import Settings
from hpsearch.spec.language.states import is_final
from hpsearch.training.data.sources import load
from workers import agent

SPEC: Mapping[str, Any] = {
    "name": "wine",
    "task": {"dataset": "wine", "model": {"kind": "mlp", "hidden": [16]}},
    "optimizer": {"kind": "adam", "lr": {"log_uniform": [1e-2, 1e-1]}},
    "training": {"epochs": 5, "batch_size": 16},
    "search": {"trials": 4},
}
OWN_LOOP: Mapping[str, Any] = {
    "name": "own loop",
    "task": {"kind": "external", "params": {"alpha": {"log_uniform": [1e-6, 10.0]}}},
    "objective": {"metric": "val_accuracy", "direction": "maximize"},
    "search": {"trials": 8},
}
"""Trials that no worker trains, so that the study stays as an example left it."""

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
MODULES = [
    "hpsearch",
    *(f"hpsearch.client.{m.name}" for m in pkgutil.iter_modules(hpsearch.client.__path__)),
]
EXAMPLES = [
    example
    for module in MODULES
    for example in doctest.DocTestFinder(exclude_empty=True).find(import_module(module))
    if example.examples
]

torch.set_num_threads(1)


@contextmanager
def working(settings: Settings) -> Iterator[None]:
    """A worker in a thread of this process, which takes its signals as calls."""
    handlers: dict[int, Callable[[int, None], None]] = {}
    signals = SimpleNamespace(
        signal=handlers.__setitem__, SIGTERM=signal.SIGTERM, SIGINT=signal.SIGINT
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(agent, "signal", signals)
        patch.setattr(agent, "IDLE_SECONDS", 0.2)
        thread = threading.Thread(target=agent.Agent(settings, torch.device("cpu")).run)
        thread.start()
        try:
            yield
        finally:
            handlers[signal.SIGTERM](signal.SIGTERM, None)
            thread.join(30)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[str]:
    """Address of a server with a worker; its study 1 is over, with ensemble 1."""
    directory = tmp_path_factory.mktemp("examples")
    shutil.copy(sqlite_template, directory / "hpsearch.db")
    database = f"sqlite:///{directory / 'hpsearch.db'}"
    app = create_app(Settings(data_dir=directory / "server", database_url=database, token=TOKEN))
    with listening(app) as url:
        settings = Settings(server=url, token=TOKEN, data_dir=directory / "worker")
        with working(settings), Client(url, TOKEN) as client:
            client.submit(SPEC).wait(60).build_ensemble(size=3).wait(60)
            yield url


@pytest.fixture
def names(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """What examples may name; studies that they leave open are stopped."""
    monkeypatch.setenv("HPSEARCH_SERVER", url)
    monkeypatch.setenv("HPSEARCH_TOKEN", TOKEN)
    monkeypatch.chdir(tmp_path)
    Path("study.yaml").write_text(str(dict(SPEC)))
    houses = "".join(f"{40 + 7 * i % 40},{3 * i + 90}\n" for i in range(40))
    Path("houses.csv").write_text(f"size,price\n{houses}")
    with Client() as client:
        study = client.study(1)
        yield {
            "hpsearch": hpsearch,
            "Path": Path,
            "client": client,
            "study": study,
            "trial": study.best_trial,
            "ensemble": client.ensemble(1),
            "spec": SPEC,
            "own_loop": OWN_LOOP,
            "rows": load("wine").x[[0, 170]],
        }
        for other in client.studies():
            if not is_final(other.state):
                with suppress(IllegalTransition):  # its last trial has ended meanwhile
                    other.stop()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_does_what_it_shows(example: doctest.DocTest, names: dict[str, Any]) -> None:
    example.globs = names
    printed: list[str] = []
    result = doctest.DocTestRunner(optionflags=FLAGS).run(example, out=printed.append)
    assert result.failed == 0, "".join(printed)


@pytest.mark.parametrize("kind", [Client, Study, Trial, Ensemble, Trials, Curves])
def test_every_public_method_has_an_example(kind: type) -> None:
    for name, method in inspect.getmembers(kind, inspect.isfunction):
        if method.__module__.startswith("hpsearch.client") and not name.startswith("_"):
            assert ">>> " in (method.__doc__ or ""), name
