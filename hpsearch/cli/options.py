"""Options and arguments that several commands share."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from hpsearch.client.client import Client
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
        studies = [(str(study.id), f"{study.name} ({study.state})") for study in client.studies()]
        return [(key, title) for key, title in studies if key.startswith(incomplete)]
    return []


StudyId = Annotated[int, typer.Argument(help="A study's id.", autocompletion=complete_studies)]
"""Its completion asks the server."""
