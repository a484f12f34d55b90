"""`hpsearch datasets`: add, inspect, show, list, remove."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias, cast, get_args

import typer
from rich.table import Table
from rich.text import Text

from hpsearch.cli.dataset_table import print_dataset
from hpsearch.cli.options import AsJson, Server, connect
from hpsearch.cli.output import emit, out
from hpsearch.client.client import Client
from hpsearch.client.dataset import Dataset, DatasetInfo, DatasetList
from hpsearch.client.dataset_summary import shape
from hpsearch.errors import InvalidInput
from hpsearch.spec.upload_formats import UPLOAD_FORMATS, upload_format_labels
from hpsearch.spec.wire.upload import ColumnUse

app = typer.Typer(help="Upload data sets, look at, list and remove them.", no_args_is_help=True)

COLUMN_USES = [f"NAME={use}" for use in get_args(ColumnUse)]

Files: TypeAlias = Annotated[
    list[Path], typer.Argument(help="One file, or two: IDX images and labels.", metavar="PATH")
]
Format: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--format",
        help=f"{', '.join(UPLOAD_FORMATS)}.",
        show_default="by the file's content and name",
    ),
]
Columns: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--column", help=f"{', '.join(COLUMN_USES)}; may be repeated."),
]
Whole: TypeAlias = Annotated[
    bool, typer.Option("--all", help="Print every column of a wide table.")
]


@app.command(help=f"Upload a data set: {upload_format_labels()}.")
def add(
    name: Annotated[str, typer.Argument(help="What studies call it: a-z, 0-9, _ and -.")],
    files: Files,
    target: Annotated[str | None, typer.Option(help="The column to learn.")] = None,
    form: Format = None,
    column: Columns = None,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace",
            help="Make another data set of this name an earlier version, with which its studies "
            "go on.",
        ),
    ] = False,
    whole: Whole = False,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Upload a data set."""
    with connect(server) as client:
        added = client.add_dataset(
            name,
            *files,
            target=target,
            format=form,
            columns=_uses(column or []),
            replace=replace,
        )
    emit(added, lambda: print_dataset(added, whole=whole), as_json=as_json)


@app.command()
def inspect(
    files: Files,
    target: Annotated[
        str | None,
        typer.Option(help="The column to learn.", show_default="only describe the columns"),
    ] = None,
    form: Format = None,
    column: Columns = None,
    whole: Whole = False,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Show what an upload would become; nothing is stored."""
    with Client(server) as client:
        seen = client.inspect_dataset(
            *files, target=target, format=form, columns=_uses(column or [])
        )
    if not seen.name:
        seen = seen.model_copy(update={"name": files[0].name})
    emit(seen, lambda: print_dataset(seen, whole=whole), as_json=as_json)


@app.command()
def show(
    name: str,
    version: Annotated[
        int | None, typer.Option(min=1, help="Of an uploaded one.", show_default="the newest")
    ] = None,
    whole: Whole = False,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Show a data set: how each column is read, what it is used for, and why."""
    with connect(server) as client:
        found = client.dataset(name, version)
    emit(found, lambda: print_dataset(found, whole=whole), as_json=as_json)


@app.command("list")
def list_all(server: Server = None, as_json: AsJson = False) -> None:
    """List data sets."""
    with connect(server) as client:
        listed = client.datasets()
    table = Table("name", "version", "rows", "features", "target", "from", box=None)
    for info in listed:
        table.add_row(
            info.name,
            str(info.version) if isinstance(info, Dataset) else "",
            f"{info.rows:,}",
            shape(info),
            Text(_target(info)),
            info.format if isinstance(info, Dataset) else "built in",
        )
    emit(DatasetList(datasets=listed), lambda: out.print(table), as_json=as_json)


@app.command()
def remove(
    name: str,
    version: Annotated[
        int | None, typer.Option(min=1, help="The one to remove.", show_default="all")
    ] = None,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Remove an uploaded data set that no open study trains on."""
    with connect(server) as client:
        client.remove_dataset(name, version)
    what = name if version is None else f"version {version} of {name}"
    removed = {"removed": name} | ({} if version is None else {"version": version})
    emit(removed, f"{what} is removed", as_json=as_json)


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


def _target(info: DatasetInfo) -> str:
    column = info.target_column if isinstance(info, Dataset) else None
    kind = f"{info.classes} classes" if info.target == "classes" else info.target
    return f"{column}: {kind}" if column else kind
