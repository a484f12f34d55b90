"""`hpsearch kinds`: what a study may name."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from hpsearch.cli.options import AsJson
from hpsearch.cli.output import emit, out, say
from hpsearch.errors import NotFound
from hpsearch.reference.catalogue import Section, sections

app = typer.Typer()


@app.command()
def kinds(
    name: Annotated[
        str | None, typer.Argument(metavar="SECTION", help="One of those listed without it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List what a study may name: schedules, optimizers, searches, metrics and the rest."""
    known = {section.name: section for section in sections()}
    if name is None:
        names = {key: [_plain(row[0]) for row in section.rows] for key, section in known.items()}
        emit(names, lambda: _print_names(names), as_json=as_json)
        return
    if name not in known:
        raise NotFound(f"a section must be one of {', '.join(known)}, got '{name}'; name one")
    section = known[name]
    records = [dict(zip(section.columns, row, strict=True)) for row in section.rows]
    emit({section.name: records}, lambda: _print_section(section), as_json=as_json)


def _print_names(names: dict[str, list[str]]) -> None:
    table = Table(box=None, show_header=False)
    for section, members in names.items():
        table.add_row(section, Text(", ".join(members)))
    out.print(table)


def _print_section(section: Section) -> None:
    say(_plain(section.title))
    table = Table(*section.columns, box=None)
    for row in section.rows:
        table.add_row(*(Text(_plain(cell)) for cell in row))
    out.print(table)


def _plain(cell: str) -> str:
    """A cell without its backticks."""
    return cell.replace("`", "")
