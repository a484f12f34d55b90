"""Commands about the server's files: gc removes what nothing needs, pin keeps a checkpoint."""

from __future__ import annotations

from typing import Annotated

import typer

from hpsearch.cli.options import AsJson, Server, connect
from hpsearch.cli.output import emit, say

app = typer.Typer()


@app.command()
def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    older_than: Annotated[
        float, typer.Option(help="Seconds; younger files that nothing refers to stay.", min=900)
    ] = 3600.0,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Remove files on the server that nothing needs."""
    with connect(server) as client:
        garbage = client.collect_garbage(dry_run=dry_run, older_than_seconds=older_than)

    def print_files() -> None:
        for file in garbage.files:
            say(f"{file.size_bytes:>12,}  {file.key}  {file.why}")
        verb = "would go" if dry_run else "are gone"
        say(f"{len(garbage.files)} files of {garbage.size_bytes:,} bytes {verb}")

    emit(garbage, print_files, as_json=as_json)


@app.command()
def pin(
    checkpoint_id: Annotated[int, typer.Argument(help="A checkpoint's id.")],
    undo: Annotated[bool, typer.Option("--undo", help="Leave it to the policy again.")] = False,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Keep a checkpoint, whatever its study's policy says."""
    with connect(server) as client:
        checkpoint = client.pin(checkpoint_id, pinned=not undo)
    state = "left to the policy" if undo else "pinned"
    emit(checkpoint, f"checkpoint {checkpoint_id} is {state}", as_json=as_json)
