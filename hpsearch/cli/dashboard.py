"""`hpsearch open`: the dashboard in a browser."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

import typer

from hpsearch.cli.options import AsJson, Server, complete_studies, connect, find_study
from hpsearch.cli.output import emit

app = typer.Typer()


@app.command(name="open")
def open_dashboard(
    study_id: Annotated[
        str | None,
        typer.Argument(
            help="A study's id or name; none opens the list.", autocompletion=complete_studies
        ),
    ] = None,
    browser: Annotated[bool, typer.Option(help="Open a browser, not only print.")] = True,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Open the dashboard: the printed address lets a browser in once and for a month."""
    with connect(server) as client:
        path = "/studies" if study_id is None else f"/studies/{find_study(client, study_id).id}"
        address = sign_in_address(client.url, client.token, path)
    emit({"url": address}, address, as_json=as_json)
    if browser:
        typer.launch(address)


def sign_in_address(url: str, token: str | None, path: str = "/") -> str:
    """An address of the dashboard that lets a browser in."""
    return f"{url}{path}" + (f"?{urlencode({'token': token})}" if token else "")
