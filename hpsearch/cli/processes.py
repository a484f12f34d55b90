"""Commands that run servers and workers: up, serve, worker, demo."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from hpsearch.cli.dashboard import sign_in_address
from hpsearch.cli.options import AsJson, DataDir, Server
from hpsearch.cli.output import emit, say
from hpsearch.cli.studies import print_study, watch_study
from hpsearch.client.client import Client
from hpsearch.errors import CannotStart
from hpsearch.example_files import example
from hpsearch.processes.local_server import LocalDeployment, is_free
from hpsearch.settings import DEFAULT_HOST, DEFAULT_PORT, Settings
from hpsearch.spec.language.states import StudyState
from hpsearch.version import VERSION

app = typer.Typer()

Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")]
Workers = Annotated[int, typer.Option(min=0, help="Worker processes on this machine.")]
Capacity = Annotated[
    int | None,
    typer.Option(
        min=1, max=1024, help="Trials a worker takes on at once.", show_default="as many as pay"
    ),
]


@app.command()
def up(
    host: Host = DEFAULT_HOST,
    port: Port = DEFAULT_PORT,
    workers: Workers = 1,
    capacity: Capacity = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Run a server and local workers until told to end."""
    with LocalDeployment(host, port, workers, _data_dir(data_dir), capacity) as deployment:
        addresses = {"url": deployment.url, "token_file": str(deployment.data_dir / "token")}
        emit(addresses, lambda: _say_where(deployment), as_json=as_json)
        deployment.run()


@app.command()
def serve(host: Host = DEFAULT_HOST, port: Port = DEFAULT_PORT, data_dir: DataDir = None) -> None:
    """Run a server alone."""
    arguments = [f"--host={host}", f"--port={port}"]
    _become("api", arguments + ([f"--data-dir={data_dir}"] if data_dir else []))


@app.command()
def worker(
    server: Server = None,
    processes: Annotated[int, typer.Option(min=1, help="How many.")] = 1,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads of each.")] = 1,
    capacity: Capacity = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda or mps.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Run workers for a server, here or elsewhere."""
    options = {
        "server": server,
        "threads": threads,
        "capacity": capacity,
        "device": device,
        "data-dir": data_dir,
    }
    arguments = [f"--{name}={value}" for name, value in options.items() if value is not None]
    _become("workers", [*arguments, f"--processes={processes}"])


@app.command()
def demo(
    exit_when_done: Annotated[
        bool, typer.Option("--exit", help="End when the study is over.")
    ] = False,
    host: Host = DEFAULT_HOST,
    port: Annotated[
        int | None,
        typer.Option(help="Port to listen on.", show_default=f"{DEFAULT_PORT}, or a free one"),
    ] = None,
    workers: Workers = 1,
    data_dir: DataDir = None,
) -> None:
    """Run server, worker and an example study, and show what comes of it."""
    if port is None:
        port = DEFAULT_PORT if is_free(host, DEFAULT_PORT) else 0
    with LocalDeployment(host, port, workers, _data_dir(data_dir)) as deployment:
        _say_where(deployment)
        with Client(deployment.url, deployment.token) as client:
            study = client.submit(example("digits.yaml"))
            say(f"study {study.id}, {study.name}, is submitted")
            watch_study(study, deployment.check)
            print_study(study, 5)
        if study.state is not StudyState.COMPLETE:
            raise CannotStart(f"the example study must complete, and it is {study.state}")
        if not exit_when_done:
            say(f"serving on at {deployment.url}; end with Ctrl-C")
            deployment.run()


def _say_where(deployment: LocalDeployment) -> None:
    say(f"hpsearch {VERSION} is at {deployment.url}")
    say(f"token: {deployment.data_dir / 'token'}")
    say(f"dashboard: {sign_in_address(deployment.url, deployment.token)}")


def _data_dir(given: Path | None) -> Path:
    return Settings().data_dir if given is None else given


def _become(module: str, arguments: list[str]) -> None:
    """Turns this process into a server or worker: one process, one pid, plain signals."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-P", "-m", module, *arguments])  # noqa: S606
