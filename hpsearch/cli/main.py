"""The command line: a thin hand around client, server and workers.

Exit status: 0 done, 1 refused or failed (one sentence on stderr), 2 wrong usage, 3 a watched study
did not complete. With `--json` standard output holds JSON and nothing else.
`hpsearch --install-completion` completes commands, options and the ids of studies.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

import stamina
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hpsearch.cli import datasets, edit, ensembles, predict
from hpsearch.cli.options import AsJson, Server, StudyId, complete_studies
from hpsearch.client.client import Client, Study
from hpsearch.client.progress_display import cell_text, progress_display, trials_table
from hpsearch.errors import CannotStart, HpsearchError
from hpsearch.example_files import example
from hpsearch.processes.local_server import LocalDeployment
from hpsearch.settings import DEFAULT_HOST, DEFAULT_PORT, Settings
from hpsearch.spec.language.states import StudyState, TrialState
from hpsearch.spec.wire import records
from hpsearch.version import VERSION

app = typer.Typer(
    name="hpsearch",
    help="Hyperparameter search as a service.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(edit.app)
app.add_typer(datasets.app, name="datasets")
app.add_typer(ensembles.app, name="ensemble")
app.add_typer(predict.app)
out = Console()
NOT_COMPLETE = 3

Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")]
DataDir = Annotated[
    Path | None, typer.Option(help="Where database, checkpoints and token lie [.hpsearch].")
]
Workers = Annotated[int, typer.Option(min=0, help="Worker processes on this machine.")]
Capacity = Annotated[
    int | None,
    typer.Option(
        min=1, max=1024, help="Trials a worker takes on at once.", show_default="as many as pay"
    ),
]


def main() -> None:
    """Runs a command; what a person got wrong ends in one sentence."""
    stamina.instrumentation.set_on_retry_hooks([])
    try:
        app()
    except HpsearchError as error:
        print(f"hpsearch: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(1)


@app.command()
def version(as_json: AsJson = False) -> None:
    """Print the version."""
    if as_json:
        print(json.dumps({"version": VERSION}))  # noqa: T201
        return
    out.print(VERSION, highlight=False)


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
        if as_json:
            token_file = str(deployment.data_dir / "token")
            print(json.dumps({"url": deployment.url, "token_file": token_file}), flush=True)  # noqa: T201
        else:
            _say_where(deployment)
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
    given = {
        "server": server,
        "threads": threads,
        "capacity": capacity,
        "device": device,
        "data-dir": data_dir,
    }
    arguments = [f"--{name}={value}" for name, value in given.items() if value is not None]
    _become("workers", [*arguments, f"--processes={processes}"])


@app.command()
def submit(
    file: Annotated[Path, typer.Argument(help="A spec in YAML or JSON.")],
    watch: Annotated[bool, typer.Option("--watch", help="Stay until the study is over.")] = False,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Queue a study."""
    with Client(server) as client:
        study = client.submit(file)
        if not as_json:
            out.print(
                f"study {study.id} is {study.state}; see {study.url}",
                highlight=False,
                soft_wrap=True,
            )
        if watch:
            watch_study(study, quiet=as_json)
        if as_json:
            _print_json(study.record)
        elif watch:
            show_study(study, 5)
        if watch and study.state is not StudyState.COMPLETE:
            raise typer.Exit(NOT_COMPLETE)


@app.command()
def studies(
    server: Server = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List studies, newest first."""
    with Client(server) as client:
        found = client.studies(limit)
    if as_json:
        _print_json(records.StudyPage(studies=[s.record for s in found], next_page_token=None))
        return
    if not found:
        out.print("no studies yet; submit one with: hpsearch submit study.yaml", highlight=False)
        return
    table = Table("id", "name", "state", "trials ended", "best", box=None)
    for study in found:
        record = study.record
        cells = (
            str(study.id), study.name, str(study.state), str(record.counts.ended),
            cell_text(record.best_value),
        )  # fmt: skip
        table.add_row(*map(Text, cells))
    out.print(table)


@app.command()
def show(
    study_id: StudyId,
    top: Annotated[int, typer.Option(min=1, max=1000, help="How many trials to list.")] = 10,
    watch: Annotated[bool, typer.Option("--watch", help="Stay until the study is over.")] = False,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Show a study and its best trials."""
    with Client(server) as client:
        study = client.study(study_id)
        if watch:
            watch_study(study, quiet=as_json)
        if as_json:
            _print_json(study.record)
        else:
            show_study(study, top)
        if watch and study.state is not StudyState.COMPLETE:
            raise typer.Exit(NOT_COMPLETE)


@app.command()
def trials(
    study_id: StudyId,
    sort: Annotated[str, typer.Option(help="number, value, -value, epochs_done, ...")] = "number",
    state: Annotated[TrialState | None, typer.Option(help="Only those in this state.")] = None,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """List a study's trials."""
    with Client(server) as client:
        study = client.study(study_id)
        found = study.trials(state=state, sort=sort)
    if as_json:
        _print_json(records.TrialPage(trials=found.records, next_page_token=None))
        return
    out.print(trials_table(study.record, found.records))


@app.command()
def events(study_id: StudyId, server: Server = None, as_json: AsJson = False) -> None:
    """Print a study's log, from the oldest on."""
    with Client(server) as client:
        found = client.study(study_id).events()
    if as_json:
        _print_json(records.EventPage(events=found, next_page_token=None))
        return
    for event in found:
        out.print(Text(f"{event.at:%Y-%m-%d %H:%M:%S}  {event.message}"), soft_wrap=True)


@app.command(name="open")
def open_dashboard(
    study_id: Annotated[
        int | None,
        typer.Argument(help="A study's id; none opens the list.", autocompletion=complete_studies),
    ] = None,
    browser: Annotated[bool, typer.Option(help="Open a browser, not only print.")] = True,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Open the dashboard: the printed address lets a browser in once and for a month."""
    with Client(server) as client:
        path = "/studies" if study_id is None else f"/studies/{client.study(study_id).id}"
        address = sign_in_address(client.url, client.token, path)
    if as_json:
        print(json.dumps({"url": address}))  # noqa: T201
    else:
        print(address)  # noqa: T201
    if browser:
        typer.launch(address)


@app.command()
def demo(
    exit_when_done: Annotated[
        bool, typer.Option("--exit", help="End when the study is over.")
    ] = False,
    host: Host = DEFAULT_HOST,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on [8470, or a free one].")
    ] = None,
    workers: Workers = 1,
    data_dir: DataDir = None,
) -> None:
    """Run server, worker and an example study, and show what comes of it."""
    with _demo_deployment(host, port, workers, _data_dir(data_dir)) as deployment:
        _say_where(deployment)
        with Client(deployment.url, deployment.token) as client:
            study = client.submit(example("digits.yaml"))
            out.print(f"study {study.id}, {study.name}, is submitted", highlight=False)
            watch_study(study, deployment.check)
            show_study(study, 5)
        if study.state is not StudyState.COMPLETE:
            raise CannotStart(f"the example study must complete, and it is {study.state}")
        if not exit_when_done:
            out.print(f"serving on at {deployment.url}; end with Ctrl-C", highlight=False)
            deployment.run()


def watch_study(study: Study, check: Any = None, *, quiet: bool = False) -> None:
    """Shows a study's progress and best trials until it is over."""
    if quiet:
        study.wait()
        return

    def best(count: int) -> list[records.Trial]:
        return study.best(count).records

    with progress_display(out, best, study.url.partition("/studies/")[0]) as show_now:

        def note(record: records.Study) -> None:
            if check is not None:
                check()
            show_now(record)

        study.wait(on_progress=note)


def show_study(study: Study, top: int) -> None:
    """Prints a study, its best trials and the best one's test scores."""
    record = study.refresh().record
    metric = record.objectives[0].metric
    out.print(
        Text(
            f"study {study.id}  {study.name}  {study.state}  {record.counts.ended} trials "
            f"ended, {record.counts.pruned} of them pruned, {record.counts.failed} failed"
        ),
        soft_wrap=True,
    )
    out.print(trials_table(record, study.best(top).records))
    best = study.best_trial
    if best is not None:
        test = ", ".join(
            f"{name} {cell_text(value)}"
            for name, value in best.metrics.items()
            if name.startswith("test_")
        )
        out.print(
            f"best trial {best.number}: {metric} {cell_text(best.value)}"
            + (f", {test}" if test else ""),
            highlight=False,
        )
    for ensemble in study.ensembles() if record.ensembles else []:
        out.print(Text(ensembles.in_a_line(ensemble)), soft_wrap=True)


def sign_in_address(url: str, token: str | None, path: str = "/") -> str:
    """An address of the dashboard that lets a browser in."""
    return f"{url}{path}" + (f"?{urlencode({'token': token})}" if token else "")


@contextmanager
def _demo_deployment(
    host: str, port: int | None, workers: int, data_dir: Path
) -> Iterator[LocalDeployment]:
    """A deployment at `port`; none takes the usual one, or a free one where that is taken."""
    from hpsearch.processes.local_server import is_free

    chosen = port if port is not None else DEFAULT_PORT if is_free(host, DEFAULT_PORT) else 0
    with LocalDeployment(host, chosen, workers, data_dir) as deployment:
        yield deployment


def _say_where(deployment: LocalDeployment) -> None:
    out.print(f"hpsearch {VERSION} is at {deployment.url}", highlight=False)
    out.print(f"token: {deployment.data_dir / 'token'}", highlight=False, soft_wrap=True)
    dashboard = sign_in_address(deployment.url, deployment.token)
    out.print(f"dashboard: {dashboard}", highlight=False, soft_wrap=True)


def _data_dir(given: Path | None) -> Path:
    return Settings().data_dir if given is None else given


def _become(module: str, arguments: list[str]) -> None:
    """Turns this process into a server or worker: one process, one pid, plain signals."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-P", "-m", module, *arguments])  # noqa: S606


def _print_json(record: Any) -> None:
    print(record.model_dump_json())  # noqa: T201
