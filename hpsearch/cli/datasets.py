"""`hpsearch datasets`: add, list, remove."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast, get_args

import typer
from rich.table import Table
from rich.text import Text

from hpsearch.cli.options import AsJson, Server
from hpsearch.cli.output import emit, out
from hpsearch.client.client import Client
from hpsearch.errors import InvalidInput
from hpsearch.spec.upload_formats import UPLOAD_FORMATS, upload_format_labels
from hpsearch.spec.wire.datasets import Dataset, DatasetInfo, DatasetList
from hpsearch.spec.wire.upload import ColumnUse

app = typer.Typer(help="Upload data sets, list and remove them.", no_args_is_help=True)

COLUMN_USES = [f"NAME={use}" for use in get_args(ColumnUse)]


@app.command(help=f"Upload a data set: {upload_format_labels()}.")
def add(
    name: Annotated[str, typer.Argument(help="What studies call it: a-z, 0-9, _ and -.")],
    files: Annotated[
        list[Path], typer.Argument(help="One file, or two: IDX images and labels.", metavar="PATH")
    ],
    target: Annotated[str | None, typer.Option(help="The column to learn.")] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            help=f"{', '.join(UPLOAD_FORMATS)}.",
            show_default="by the file's content and name",
        ),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(help=f"{', '.join(COLUMN_USES)}; may be repeated."),
    ] = None,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Upload a data set."""
    with Client(server) as client:
        added = client.add_dataset(
            name, *files, target=target, format=form, columns=_uses(column or [])
        )
    line = f"{added.name}: {added.rows} rows of {_shape(added)}, {_target(added)}"
    emit(added, line, as_json=as_json)


@app.command("list")
def list_all(server: Server = None, as_json: AsJson = False) -> None:
    """List data sets."""
    with Client(server) as client:
        listed = client.datasets()
    table = Table("name", "rows", "features", "target", "from", box=None)
    for info in listed:
        table.add_row(
            info.name,
            str(info.rows),
            _shape(info),
            Text(_target(info)),
            info.format if isinstance(info, Dataset) else "built in",
        )
    emit(DatasetList(datasets=listed), lambda: out.print(table), as_json=as_json)


@app.command()
def remove(name: str, server: Server = None, as_json: AsJson = False) -> None:
    """Remove an uploaded data set that no open study trains on."""
    with Client(server) as client:
        client.remove_dataset(name)
    emit({"removed": name}, f"{name} is removed", as_json=as_json)


def _uses(columns: list[str]) -> dict[str, ColumnUse]:
    uses: dict[str, ColumnUse] = {}
    for entry in columns:
        name, _, use = entry.rpartition("=")
        if not name or use not in get_args(ColumnUse):
            raise InvalidInput.at(
                "column",
                f"must be {', '.join(COLUMN_USES)}; got {entry}",
            )
        uses[name] = cast(ColumnUse, use)
    return uses


def _shape(info: DatasetInfo) -> str:
    sizes = "×".join(map(str, info.features))
    return sizes if info.is_image else f"{sizes} columns"


def _target(info: DatasetInfo) -> str:
    column = info.target_column if isinstance(info, Dataset) else None
    kind = f"{info.classes} classes" if info.target == "classes" else info.target
    return f"{column}: {kind}" if column else kind
