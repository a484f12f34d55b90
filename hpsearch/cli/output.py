"""What commands print: JSON on a line with `--json`, else text for people."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import typer
from pydantic import BaseModel
from rich.console import Console
from rich.text import Text

out = Console()
"""Standard output, for tables and what moves."""


def emit(
    record: BaseModel | Mapping[str, object],
    human: str | Callable[[], object],
    *,
    as_json: bool,
) -> None:
    """Prints what a command came to.

    Args:
        record: what `--json` prints, and nothing else.
        human: else the line to print, or what prints several.
        as_json: whether `--json` was given.
    """
    if as_json:
        typer.echo(
            record.model_dump_json() if isinstance(record, BaseModel) else json.dumps(record)
        )
    elif isinstance(human, str):
        say(human)
    else:
        human()


def say(line: str) -> None:
    """Prints a line as it is: not wrapped, and no part of it read as markup."""
    out.print(Text(line), soft_wrap=True)
