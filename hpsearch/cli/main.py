"""The command line: thin commands over client, server and workers.

Exit status: 0 done, 1 refused or failed (one sentence on stderr), 2 wrong usage, 3 a watched study
did not complete. With `--json` standard output holds JSON and nothing else.
`hpsearch --install-completion` completes commands, options and the ids of studies.
"""

from __future__ import annotations

import sys

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
from hpsearch.errors import HpsearchError
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
        typer.echo(f"hpsearch: {in_options(str(error))}", err=True)
        sys.exit(1)


@app.command()
def version(as_json: AsJson = False) -> None:
    """Print the version."""
    emit({"version": VERSION}, VERSION, as_json=as_json)
