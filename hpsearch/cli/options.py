"""Options and arguments that several commands share."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

import typer

from hpsearch.client.client import Client
from hpsearch.errors import HpsearchError

Server = Annotated[
    str | None, typer.Option(help="The server's address [HPSEARCH_SERVER, or one running here].")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def complete_studies(incomplete: str) -> list[tuple[str, str]]:
    """The latest studies' ids and names, where a server answers at once."""
    with suppress(HpsearchError), Client(patience_seconds=0.3) as client:
        found = [(str(study.id), f"{study.name} ({study.state})") for study in client.studies()]
        return [pair for pair in found if pair[0].startswith(incomplete)]
    return []


StudyId = Annotated[int, typer.Argument(help="A study's id.", autocompletion=complete_studies)]
"""Its completion asks the server."""
