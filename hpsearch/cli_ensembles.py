"""`hpsearch ensemble`: build, list, show, download, delete; `predict` and `export` beside it."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

import hpsearch
from hpsearch.cli_options import AsJson, Server, StudyId
from hpsearch.client import Client, Ensemble
from hpsearch.errors import InvalidInput
from hpsearch.extras import needed
from hpsearch.row_files import read_rows
from hpsearch.spec import ensemble_records
from hpsearch.spec.dataset import Dataset
from hpsearch.spec.ensemble_records import EnsembleList
from hpsearch.spec.states import is_final
from hpsearch.watching import shown

if TYPE_CHECKING:
    from hpsearch.trained_ensemble import TrainedEnsemble

app = typer.Typer(
    help="Combine a study's checkpoints and use what comes of it.", no_args_is_help=True
)
uses = typer.Typer()
out = Console()

EnsembleId = Annotated[int, typer.Argument(help="An ensemble's id.")]


@app.command()
def build(
    study_id: StudyId,
    kind: Annotated[
        str,
        typer.Option(
            help="greedy, top_k, reinit, snapshots, average, ema, swa, soup_uniform or soup_greedy."
        ),
    ] = "greedy",
    size: Annotated[int, typer.Option(min=1, help="Members at most.")] = 10,
    combine: Annotated[
        str, typer.Option(help="mean, weighted, vote, or median for numbers.")
    ] = "mean",
    metric: Annotated[str | None, typer.Option(help="What members are chosen by.")] = None,
    trial: Annotated[
        int | None, typer.Option(help="For snapshots, average, ema and swa [the best one].")
    ] = None,
    bags: Annotated[
        int | None, typer.Option(min=0, help="For greedy: how many selections are added up [20].")
    ] = None,
    wait: Annotated[bool, typer.Option(help="Stay until it is built.")] = True,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Build an ensemble of a study's checkpoints."""
    more = {"metric": metric, "trial": trial, "bags": bags}
    given = {name: value for name, value in more.items() if value is not None}
    with Client(server) as client:
        found = client.study(study_id).build_ensemble(kind, size=size, combine=combine, **given)
        if wait:
            found = _waited(found, quiet=as_json)
    _show([found], as_json)


@app.command("list")
def list_all(study_id: StudyId, server: Server = None, as_json: AsJson = False) -> None:
    """List a study's ensembles."""
    with Client(server) as client:
        found = client.study(study_id).ensembles()
    if not found and not as_json:
        out.print(
            f"study {study_id} has no ensembles yet; build one with: "
            f"hpsearch ensemble build {study_id}",
            highlight=False,
        )
        return
    if as_json:
        print(EnsembleList(ensembles=list(found)).model_dump_json())  # noqa: T201
        return
    _show(found, as_json=False)


@app.command()
def show(ensemble_id: EnsembleId, server: Server = None, as_json: AsJson = False) -> None:
    """Show an ensemble, its members and its warnings."""
    with Client(server) as client:
        found = client.ensemble(ensemble_id)
    _show([found], as_json)
    if as_json:
        return
    table = Table("trial", "epoch", "weight", box=None)
    for member in found.members:
        table.add_row(str(member.trial), str(member.epoch), f"{member.weight:.3f}")
    out.print(table)
    for sentence in found.warnings:
        out.print(Text(sentence), soft_wrap=True)


@app.command()
def download(
    ensemble_id: EnsembleId,
    path: Annotated[
        Path | None,
        typer.Argument(help="A file .zip, or a directory to unpack to [ensemble-<id>.zip]."),
    ] = None,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Write an ensemble to a disk, to be used without a server."""
    with Client(server) as client:
        place = client.ensemble(ensemble_id).download(path)
    if as_json:
        print(json.dumps({"path": str(place)}))  # noqa: T201
        return
    out.print(f"ensemble {ensemble_id} is in {place}", highlight=False, soft_wrap=True)


@app.command()
def delete(ensemble_id: EnsembleId, server: Server = None, as_json: AsJson = False) -> None:
    """Remove an ensemble and its file."""
    with Client(server) as client:
        client.ensemble(ensemble_id).delete()
    if as_json:
        print(json.dumps({"deleted": ensemble_id}))  # noqa: T201
        return
    out.print(f"ensemble {ensemble_id} is deleted", highlight=False)


@uses.command()
def predict(
    ensemble: Annotated[
        str, typer.Argument(help="A downloaded ensemble (.zip or directory), or an ensemble's id.")
    ],
    file: Annotated[Path, typer.Argument(help="Rows: .csv, .json or .npy.")],
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Predict rows: a line for each, its class by name or its number.

    A path is loaded here, without a server; an id is asked of the server, whose worker answers.
    """
    if ensemble.isdecimal() and not Path(ensemble).exists():
        with Client(server) as client:
            asked = client.ensemble(int(ensemble))
            result = asked.ask(read_rows(file, named=_has_columns(client, asked)))
    else:
        loaded = _loaded(ensemble)
        result = loaded.answer(read_rows(file, named=bool(loaded.columns)))
    if as_json:
        print(result.model_dump_json())  # noqa: T201
        return
    for value in result.predictions if result.labels is None else result.labels:
        print(value)  # noqa: T201


@uses.command()
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
    exporting = needed("hpsearch.exporting", "export", "exported models")
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


@uses.command()
def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    older_than: Annotated[
        float, typer.Option(help="Seconds; younger files that nothing refers to stay.", min=60)
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


@uses.command()
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


def in_a_line(ensemble: ensemble_records.Ensemble) -> str:
    """What an ensemble came to, beside the best single trial."""
    text = f"ensemble {ensemble.id} ({ensemble.kind}): {ensemble.state}"
    if ensemble.message:
        return f"{text}: {ensemble.message}"
    name = _main_name(ensemble.test)
    if ensemble.best_single is None or name is None:
        return text
    single = ensemble.best_single.test.get(name)
    return (
        f"{text}, {len(ensemble.members)} members, test_{name} {shown(ensemble.test[name])}"
        f" (best trial {shown(single)})"
    )


def _waited(ensemble: Ensemble, *, quiet: bool) -> Ensemble:
    if quiet:
        return ensemble.wait()
    with out.status(f"ensemble {ensemble.id} is queued") as status:
        now = ensemble
        while not is_final(now.state):
            now = now.wait_a_little()
            told = now.progress
            more = "" if told is None else f": {told.what} {told.done} of {told.total}"
            status.update(f"ensemble {now.id} is {now.state}{more}")
    return now.wait()


def _loaded(path: str) -> TrainedEnsemble:
    """A downloaded ensemble; what it lacks is said on standard error."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        loaded = hpsearch.load_ensemble(path)
    for warning in caught:
        print(f"hpsearch: {warning.message}", file=sys.stderr)  # noqa: T201
    return loaded


def _has_columns(client: Client, ensemble: Ensemble) -> bool:
    """Whether rows of the ensemble's study are of an uploaded table."""
    name = client.study(ensemble.study_id).spec["task"].get("dataset")
    found = next((info for info in client.datasets() if info.name == name), None)
    return isinstance(found, Dataset) and not found.is_image and bool(found.columns)


def _show(found: list[Ensemble], as_json: bool) -> None:
    if as_json:
        for ensemble in found:
            record = ensemble_records.Ensemble.model_validate(dict(ensemble))
            print(record.model_dump_json())  # noqa: T201
        return
    table = Table(
        "id", "kind", "combine", "state", "members", "validation", "test", "best single: test",
        box=None,
    )  # fmt: skip
    for one in found:
        single = {} if one.best_single is None else one.best_single.test
        cells = (
            str(one.id), one.kind, one.combine, str(one.state), str(len(one.members) or ""),
            _main(one.validation), _main(one.test), _main(single),
        )  # fmt: skip
        table.add_row(*map(Text, cells))
    out.print(table)
    for one in found:
        if one.message:
            out.print(Text(f"ensemble {one.id}: {one.message}"), soft_wrap=True)


def _main(scores: Mapping[str, float]) -> str:
    """The score that people look at first."""
    name = _main_name(scores)
    return "" if name is None else f"{name} {shown(scores[name])}"


def _main_name(scores: Mapping[str, float]) -> str | None:
    return next((name for name in ("accuracy", "rmse") if name in scores), None)
