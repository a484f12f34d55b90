"""What is done with what was trained: predict, export, pin, and remove what nothing needs."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.text import Text

import hpsearch
from hpsearch.cli.options import AsJson, Server, StudyId
from hpsearch.client.client import Client
from hpsearch.errors import InvalidInput
from hpsearch.inference.input_files import read_rows
from hpsearch.optional import require_extra

if TYPE_CHECKING:
    from hpsearch.inference.ensemble import TrainedEnsemble

app = typer.Typer()
out = Console()


@app.command()
def predict(
    ensemble: Annotated[
        str, typer.Argument(help="A downloaded ensemble (.zip or directory), or an ensemble's id.")
    ],
    file: Annotated[Path, typer.Argument(help="Rows: .csv, .json, .npy or .parquet.")],
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Predict rows: a line for each, its class by name or its number.

    A path is loaded here, without a server; an id is asked of the server, whose worker answers.
    """
    if ensemble.isdecimal() and not Path(ensemble).exists():
        with Client(server) as client:
            asked = client.ensemble(int(ensemble))
            result = asked.ask(read_rows(file, named=asked.names_columns))
    else:
        loaded = _loaded(ensemble)
        result = loaded.answer(read_rows(file, named=bool(loaded.columns)))
    if as_json:
        print(result.model_dump_json())  # noqa: T201
        return
    for value in result.predictions if result.labels is None else result.labels:
        print(value)  # noqa: T201


@app.command()
def export(
    study_id: StudyId,
    trial: Annotated[int, typer.Argument(help="A trial's number.")],
    path: Annotated[Path, typer.Argument(help="Where to write it.")],
    form: Annotated[
        Literal["onnx", "torch"], typer.Option("--format", help="For onnxruntime, or torch.export.")
    ] = "onnx",
    which: Annotated[
        Literal["best", "last"], typer.Option(help="Which of its checkpoints.")
    ] = "best",
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Write a trial's model for other programs."""
    exporting = require_extra("hpsearch.inference.export", "export", "exported models")
    with Client(server) as client:
        model = client.study(study_id).trial(trial).load_model(which)
    try:
        exporting.export_model(model, path, form)
    except OSError as error:
        raise InvalidInput.at(
            "path", f"must be a file that can be written, got {path} ({error.strerror})"
        ) from None
    if as_json:
        print(json.dumps({"path": str(path), "format": form}))  # noqa: T201
        return
    out.print(f"trial {trial} is in {path}", highlight=False, soft_wrap=True)


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
    with Client(server) as client:
        found = client.collect_garbage(dry_run=dry_run, older_than_seconds=older_than)
    if as_json:
        print(found.model_dump_json())  # noqa: T201
        return
    for file in found.files:
        out.print(Text(f"{file.size_bytes:>12,}  {file.key}  {file.why}"), soft_wrap=True)
    verb = "would go" if dry_run else "are gone"
    out.print(f"{len(found.files)} files of {found.size_bytes:,} bytes {verb}", highlight=False)


@app.command()
def pin(
    checkpoint_id: Annotated[int, typer.Argument(help="A checkpoint's id.")],
    undo: Annotated[bool, typer.Option("--undo", help="Leave it to the policy again.")] = False,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Keep a checkpoint, whatever its study's policy says."""
    with Client(server) as client:
        found = client.pin(checkpoint_id, pinned=not undo)
    if as_json:
        print(found.model_dump_json())  # noqa: T201
        return
    what = "left to the policy" if undo else "pinned"
    out.print(f"checkpoint {checkpoint_id} is {what}", highlight=False)


def _loaded(path: str) -> TrainedEnsemble:
    """A downloaded ensemble; what it lacks is said on standard error."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        loaded = hpsearch.load_ensemble(path)
    for warning in caught:
        print(f"hpsearch: {warning.message}", file=sys.stderr)  # noqa: T201
    return loaded
