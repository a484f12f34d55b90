"""Commands that use what was trained: predict and export."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

import hpsearch
from hpsearch.cli.options import AsJson, Server, StudyId, connect, find_study
from hpsearch.cli.output import emit
from hpsearch.errors import InvalidInput
from hpsearch.inference.input_files import read_rows
from hpsearch.optional import importing_extra

if TYPE_CHECKING:
    from hpsearch.inference.ensemble import TrainedEnsemble

app = typer.Typer()


@app.command()
def predict(
    ensemble: Annotated[
        str, typer.Argument(help="A downloaded ensemble (.zip or directory), or an ensemble's id.")
    ],
    file: Annotated[Path, typer.Argument(help="Rows: .csv, .json, .npy, .npz or .parquet.")],
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Refuse rows with a category that no training row had."),
    ] = False,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Predict rows: a line for each, its class by name or its number.

    A path is loaded here, without a server; an id is asked of the server, whose worker answers.
    Categories that no training row had are counted on standard error.
    """
    if ensemble.isdecimal() and not Path(ensemble).exists():
        with connect(server) as client:
            remote = client.ensemble(int(ensemble))
            result = remote.ask(read_rows(file, remote.columns), strict=strict)
    else:
        local = _load(ensemble)
        result = local.answer(read_rows(file, local.columns), strict=strict)
    for note in result.notes:
        typer.echo(f"hpsearch: {note}", err=True)

    def print_rows() -> None:
        for value in result.predictions if result.labels is None else result.labels:
            typer.echo(str(value).lower() if isinstance(value, bool) else value)

    emit(result, print_rows, as_json=as_json)


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
    with importing_extra("export", "exported models"):
        from hpsearch.inference.export import export_model
    with connect(server) as client:
        model = find_study(client, study_id).trial(trial).load_model(which)
    try:
        export_model(model, path, form)
    except OSError as error:
        raise InvalidInput.at(
            "path", f"must be a file that can be written, got {path} ({error.strerror})"
        ) from None
    emit({"path": str(path), "format": form}, f"trial {trial} is in {path}", as_json=as_json)


def _load(path: str) -> TrainedEnsemble:
    """A downloaded ensemble; warnings of what it lacks go to standard error."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        loaded = hpsearch.load_ensemble(path)
    for warning in caught:
        typer.echo(f"hpsearch: {warning.message}", err=True)
    return loaded
