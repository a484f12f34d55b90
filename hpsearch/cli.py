"""The command line: a thin hand around client, server and workers.

Exit status: 0 done, 1 refused or failed (one sentence on stderr), 2 wrong usage, 3 a watched study
did not complete.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import stamina
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from hpsearch.client import Client, Study
from hpsearch.errors import CannotStart, HpsearchError
from hpsearch.settings import DEFAULT_HOST, DEFAULT_PORT, Settings
from hpsearch.spec import records
from hpsearch.spec.records import Trial
from hpsearch.spec.states import StudyState
from hpsearch.stack import Stack
from hpsearch.version import VERSION

app = typer.Typer(
    name="hpsearch",
    help="Hyperparameter search as a service.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
out = Console()
NOT_COMPLETE = 3

Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")]
DataDir = Annotated[
    Path | None, typer.Option(help="Where database, checkpoints and token lie [.hpsearch].")
]
Workers = Annotated[int, typer.Option(min=0, help="Worker processes on this machine.")]
Server = Annotated[
    str | None, typer.Option(help="The server's address [HPSEARCH_SERVER, or one running here].")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def main() -> None:
    """Runs a command; what a person got wrong ends in one sentence."""
    stamina.instrumentation.set_on_retry_hooks([])
    try:
        app()
    except HpsearchError as error:
        print(f"hpsearch: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(1)


@app.command()
def version() -> None:
    """Print the version."""
    out.print(VERSION, highlight=False)


@app.command()
def up(
    host: Host = DEFAULT_HOST,
    port: Port = DEFAULT_PORT,
    workers: Workers = 1,
    data_dir: DataDir = None,
) -> None:
    """Run a server and local workers until told to end."""
    with Stack(host, port, workers, _data_dir(data_dir)) as stack:
        _say_where(stack)
        stack.run()


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
    device: Annotated[str | None, typer.Option(help="cpu, cuda or mps.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Run workers for a server, here or elsewhere."""
    given = {"server": server, "threads": threads, "device": device, "data-dir": data_dir}
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
            out.print(f"study {study.id} is {study.state} at {client.url}", highlight=False)
        if watch:
            watch_study(study)
        if as_json:
            _print_json(study.record)
        if watch and study.state is not StudyState.COMPLETE:
            raise typer.Exit(NOT_COMPLETE)


@app.command()
def studies(server: Server = None, limit: int = 20, as_json: AsJson = False) -> None:
    """List studies, newest first."""
    with Client(server) as client:
        found = client.studies(limit)
    if as_json:
        _print_json(records.StudyPage(studies=[s.record for s in found], next_page_token=None))
        return
    table = Table("id", "name", "state", "trials", "best", box=None)
    for study in found:
        record = study.record
        planned = record.spec["search"]["trials"]
        table.add_row(
            str(study.id),
            _plain(study.name),
            study.state,
            f"{record.counts.ended}/{planned}",
            _number(record.best_value),
        )
    out.print(table)


@app.command()
def show(
    study_id: int,
    top: Annotated[int, typer.Option(min=1, help="How many trials to list.")] = 10,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Show a study and its best trials."""
    with Client(server) as client:
        study = client.study(study_id)
        if as_json:
            _print_json(study.record)
            return
        show_study(study, top)


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
    with _demo_stack(host, port, workers, _data_dir(data_dir)) as stack:
        _say_where(stack)
        with Client(stack.url, stack.token) as client:
            study = client.submit(Path(str(example("digits.yaml"))))
            out.print(f"study {study.id}, {study.name}, is submitted", highlight=False)
            watch_study(study, stack.check)
            show_study(study, 5)
        if study.state is not StudyState.COMPLETE:
            raise CannotStart(f"the example study must complete, and it is {study.state}")
        if not exit_when_done:
            out.print(f"serving on at {stack.url}; end with Ctrl-C", highlight=False)
            stack.run()


def watch_study(study: Study, check: Any = None) -> None:
    """Shows a study's progress until it is over."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f} epochs"),
        TextColumn("{task.fields[best]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=out) as progress:
        task = progress.add_task(f"study {study.id}", total=study.record.epochs_planned, best="")
        said = -1

        def note(record: records.Study) -> None:
            nonlocal said
            if check is not None:
                check()
            best = "" if record.best_value is None else f"best {_number(record.best_value)}"
            progress.update(
                task, completed=record.epochs_done, total=record.epochs_planned, best=best
            )
            if not out.is_terminal and record.counts.ended // 8 != said:
                said = record.counts.ended // 8
                out.print(f"{record.counts.ended} trials ended {best}", highlight=False)

        study.wait(on_progress=note)


def show_study(study: Study, top: int) -> None:
    """Prints a study, its best trials and the best one's test scores."""
    record = study.refresh().record
    metric = record.spec["objective"]["metric"]
    direction = record.spec["objective"]["direction"]
    out.print(
        f"study {study.id}  {_plain(study.name)}  {study.state}  {record.counts.ended} trials "
        f"ended, {record.counts.pruned} of them pruned, {record.counts.failed} failed",
        highlight=False,
    )
    best = study.best_trial
    trials = study.trials(sort="-value" if direction == "maximize" else "value")[:top]
    names = sorted({name for trial in trials for name in trial.params})
    table = Table("trial", "state", metric, "epoch", *map(_plain, names), box=None)
    for trial in trials:
        table.add_row(
            str(trial.number),
            trial.state if trial.reason is None else f"{trial.state} ({trial.reason})",
            _number(trial.value),
            "" if trial.best_epoch is None else str(trial.best_epoch),
            *(_shown(trial, name) for name in names),
        )
    out.print(table)
    if best is not None:
        test = ", ".join(
            f"{name} {_number(value)}"
            for name, value in best.metrics.items()
            if name.startswith("test_")
        )
        out.print(
            f"best trial {best.number}: {metric} {_number(best.value)}"
            + (f", {test}" if test else ""),
            highlight=False,
        )


def example(name: str) -> Path:
    """An example spec: in the package when it is installed, else beside it in a checkout."""
    packaged = Path(str(files("hpsearch"))) / "examples" / name
    if packaged.exists():
        return packaged
    return Path(__file__).resolve().parents[1] / "examples" / name


@contextmanager
def _demo_stack(host: str, port: int | None, workers: int, data_dir: Path) -> Iterator[Stack]:
    """A stack at the usual port or, where that is taken and none was asked for, at a free one."""
    from hpsearch.stack import is_free

    chosen = port if port is not None else DEFAULT_PORT if is_free(host, DEFAULT_PORT) else 0
    with Stack(host, chosen, workers, data_dir) as stack:
        yield stack


def _say_where(stack: Stack) -> None:
    out.print(f"hpsearch {VERSION} is at {stack.url}", highlight=False)
    out.print(f"token: {stack.data_dir / 'token'}", highlight=False, soft_wrap=True)


def _data_dir(given: Path | None) -> Path:
    return Settings().data_dir if given is None else given


def _become(module: str, arguments: list[str]) -> None:
    """Turns this process into a server or worker: one process, one pid, plain signals."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-P", "-m", module, *arguments])  # noqa: S606


def _print_json(record: Any) -> None:
    print(record.model_dump_json())  # noqa: T201


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _shown(trial: Trial, name: str) -> str:
    value = trial.params.get(name, "")
    return _number(value) if isinstance(value, float) else _plain(str(value))


def _plain(text: str) -> str:
    """Text as it is, whatever markup it may hold."""
    return text.replace("[", "\\[")


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    main()
