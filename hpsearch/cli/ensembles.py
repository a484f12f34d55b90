"""`hpsearch ensemble`: build, list, show, download, delete."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hpsearch.cli.options import AsJson, Server, StudyId
from hpsearch.client.client import Client, Ensemble
from hpsearch.client.progress_display import cell_text
from hpsearch.spec.ensemble import ENSEMBLES
from hpsearch.spec.language.messages import pluralize
from hpsearch.spec.wire import ensembles
from hpsearch.spec.wire.ensembles import EnsembleList, Scores, Single

app = typer.Typer(
    help="Combine a study's checkpoints and use what comes of it.", no_args_is_help=True
)
out = Console()


def _in_words(names: Iterable[str], conjunction: Literal["and", "or"]) -> str:
    *others, last = names
    return f"{', '.join(others)} {conjunction} {last}" if others else last


EnsembleId = Annotated[int, typer.Argument(help="An ensemble's id.")]


@app.command()
def build(
    study_id: StudyId,
    kind: Annotated[
        str,
        typer.Option(help=f"{_in_words(ENSEMBLES.members, 'or')}."),
    ] = "greedy",
    size: Annotated[int, typer.Option(min=1, help="Members at most.")] = 10,
    combine: Annotated[
        str, typer.Option(help="mean, weighted, vote, or median for numbers.")
    ] = "mean",
    metric: Annotated[str | None, typer.Option(help="What members are chosen by.")] = None,
    trial: Annotated[
        int | None,
        typer.Option(help=f"For {_in_words(ENSEMBLES.with_field('trial'), 'and')} [the best one]."),
    ] = None,
    bags: Annotated[
        int | None,
        typer.Option(
            min=0,
            help=f"For {_in_words(ENSEMBLES.with_field('bags'), 'and')}: how many selections are "
            "added up [20].",
        ),
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
        print(EnsembleList(ensembles=[ensemble.record for ensemble in found]).model_dump_json())  # noqa: T201
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
    if found.best_single is not None and found.mean_member is not None:
        _print_scores(found, found.best_single, found.mean_member)
    table = Table("trial", "epoch", "weight", box=None)
    for member in found.members:
        table.add_row(str(member.trial), str(member.epoch), f"{member.weight:.3f}")
    out.print(table)
    for sentence in found.warnings:
        out.print(Text(sentence), soft_wrap=True)


def _print_scores(found: Ensemble, single: Single, member: Scores) -> None:
    """Metric by metric beside the best trial and the mean member, then what is told of all."""
    table = Table("", "ensemble", "95 % interval", "mean member", "best trial", box=None)
    for part in ("validation", "test"):
        own: dict[str, float] = getattr(found, part)
        for name in own:
            interval = found.intervals.get(name) if part == "test" else None
            others = (getattr(scores, part).get(name) for scores in (member, single))
            between = (
                ""
                if interval is None
                else f"{cell_text(interval.low)} to {cell_text(interval.high)}"
            )
            table.add_row(f"{part} {name}", cell_text(own[name]), between, *map(cell_text, others))
    out.print(table)
    said = []
    if found.disagreement is not None:
        said.append(f"members disagree by {cell_text(found.disagreement)}")
    if found.calibration is not None:
        calibration = found.calibration
        said.append(
            f"calibration error {cell_text(calibration.ece)}, at temperature "
            f"{cell_text(calibration.temperature)} {cell_text(calibration.ece_scaled)}"
        )
    if said:
        out.print(Text("; ".join(said)), soft_wrap=True)


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


def in_a_line(ensemble: Ensemble) -> str:
    """What an ensemble came to, beside the best single trial."""
    text = f"ensemble {ensemble.id} ({ensemble.kind}): {ensemble.state}"
    if ensemble.message:
        return f"{text}: {ensemble.message}"
    name = ensemble.scores.headline
    if ensemble.best_single is None or name is None or name not in ensemble.test:
        return text
    single = ensemble.best_single.test.get(name)
    members = pluralize(len(ensemble.members), "member")
    return (
        f"{text}, {members}, test_{name} {cell_text(ensemble.test[name])} "
        f"(best trial {cell_text(single)})"
    )


def _waited(ensemble: Ensemble, *, quiet: bool) -> Ensemble:
    if quiet:
        return ensemble.wait()
    with out.status(f"ensemble {ensemble.id} is queued") as status:

        def show(record: ensembles.Ensemble) -> None:
            job = record.progress
            more = "" if job is None else f": {job.what} {job.done} of {job.total}"
            status.update(f"ensemble {record.id} is {record.state}{more}")

        return ensemble.wait(on_progress=show)


def _show(found: list[Ensemble], as_json: bool) -> None:
    if as_json:
        for ensemble in found:
            print(ensemble.record.model_dump_json())  # noqa: T201
        return
    names = {one.scores.headline for one in found} - {None}
    table = Table(
        "id", "kind", "state", "members", "validation", "test", "best trial", box=None,
        caption=f"{' or '.join(sorted(map(str, names)))}; last the best trial's on test rows"
        if names
        else None,
        caption_justify="left",
    )  # fmt: skip
    for one in found:
        single = {} if one.best_single is None else one.best_single.test
        kind = one.kind if one.combine == "mean" else f"{one.kind} {one.combine}"
        name = one.scores.headline
        cells = (
            str(one.id), kind, str(one.state), str(len(one.members) or ""),
            _score(one.validation, name), _score(one.test, name), _score(single, name),
        )  # fmt: skip
        table.add_row(*map(Text, cells))
    out.print(table)
    for one in found:
        if one.message:
            out.print(Text(f"ensemble {one.id}: {one.message}"), soft_wrap=True)


def _score(scores: Mapping[str, float], name: str | None) -> str:
    """The score of that name; empty where there is none."""
    return "" if name is None or name not in scores else cell_text(scores[name])
