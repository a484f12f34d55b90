"""Options and arguments that several commands share."""

from __future__ import annotations

import warnings
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from hpsearch.client.client import Client, Study
from hpsearch.errors import HpsearchError

Server = Annotated[
    str | None,
    typer.Option(help="The server's address.", show_default="HPSEARCH_SERVER, or one running here"),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Watch = Annotated[bool, typer.Option("--watch", help="Stay until the study is over.")]
DataDir = Annotated[
    Path | None,
    typer.Option(help="Where database, checkpoints and token lie.", show_default=".hpsearch"),
]


def connect(server: str | None) -> Client:
    """A client of the server that is named, or found; its first change says where it went."""
    client = Client(server)

    def say_where() -> None:
        directory = f" ({client.data_dir})" if client.data_dir else ""
        typer.echo(f"hpsearch: written to {client.url}{directory}", err=True)

    client.on_first_write(say_where)
    return client


def complete_studies(incomplete: str) -> list[tuple[str, str]]:
    """The latest studies' ids and names, where a server answers at once."""
    with suppress(HpsearchError), Client(patience_seconds=0.3) as client:
        latest = client.studies()
        studies = [(str(study.id), f"{study.name} ({study.state})") for study in latest]
        named = {study.name: study.id for study in reversed(latest)}.items()
        names = [(study_name, f"study {key}") for study_name, key in named]
        return [(key, title) for key, title in (*studies, *names) if key.startswith(incomplete)]
    return []


StudyId = Annotated[
    str, typer.Argument(help="A study's id or name.", autocompletion=complete_studies)
]
"""Its completion asks the server."""


def find_study(client: Client, study: str) -> Study:
    """The study of an id or a name; of several with one name the newest, said on standard error.

    Raises:
        NotFound: when there is none.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = client.study(study)
    for warning in caught:
        typer.echo(f"hpsearch: {warning.message}", err=True)
    return found
