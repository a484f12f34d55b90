"""The command line: thin commands over client, server and workers.

Exit status: 0 done, 1 refused or failed (one sentence on stderr), 2 wrong usage, 3 a watched study
did not complete. With `--json` standard output holds JSON and nothing else, also where a command is
refused: `{"error": {code, detail, errors}}`.
`hpsearch --install-completion` completes commands, options and the ids of studies.
"""

from __future__ import annotations

import json
import sys
from typing import Annotated

import stamina
import typer

from hpsearch.cli import (
    dashboard,
    datasets,
    edit,
    ensembles,
    kinds,
    predict,
    processes,
    storage,
    studies,
)
from hpsearch.cli.command_words import in_options
from hpsearch.cli.options import AsJson
from hpsearch.cli.output import emit
from hpsearch.errors import HpsearchError, InvalidInput
from hpsearch.version import VERSION

app = typer.Typer(
    name="hpsearch",
    help="Hyperparameter search as a service.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(processes.app)
app.add_typer(studies.app)
app.add_typer(dashboard.app)
app.add_typer(edit.app)
app.add_typer(datasets.app, name="datasets")
app.add_typer(ensembles.app, name="ensemble")
app.add_typer(predict.app)
app.add_typer(kinds.app)
app.add_typer(storage.app)


def main() -> None:
    """Runs a command; what a person got wrong ends in one sentence and status 1."""
    stamina.instrumentation.set_on_retry_hooks([])
    try:
        app()
    except HpsearchError as error:
        if "--json" in sys.argv:
            typer.echo(json.dumps(_document(error)))
        else:
            typer.echo(f"hpsearch: {in_options(str(error))}", err=True)
        sys.exit(1)


def _document(error: HpsearchError) -> dict[str, object]:
    """An error as `--json` prints it."""
    fields = error.errors if isinstance(error, InvalidInput) else ()
    errors = [{"path": field.path, "message": in_options(field.message)} for field in fields]
    return {"error": {"code": error.code, "detail": in_options(str(error)), "errors": errors}}


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(VERSION)
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Hyperparameter search as a service."""
    del version


@app.command()
def version(as_json: AsJson = False) -> None:
    """Print the version."""
    emit({"version": VERSION}, VERSION, as_json=as_json)
