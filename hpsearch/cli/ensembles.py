"""`hpsearch ensemble`: build, list, show, download, delete."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, get_args

import typer
from rich.table import Table
from rich.text import Text

from hpsearch.cli.options import AsJson, Server, StudyId, connect, find_study
from hpsearch.cli.output import emit, out, say
from hpsearch.client.client import Ensemble
from hpsearch.client.progress_display import cell_text
from hpsearch.spec.checks.ensemble import selection_metrics
from hpsearch.spec.ensemble import ENSEMBLES
from hpsearch.spec.ensembles.base import Combine
from hpsearch.spec.language.messages import pluralize
from hpsearch.spec.wire import ensembles
from hpsearch.spec.wire.ensemble_comparison import compare
from hpsearch.spec.wire.ensemble_scores import Scores
from hpsearch.spec.wire.ensembles import EnsembleList, Single

app = typer.Typer(
    help="Combine a study's checkpoints and use what comes of it.", no_args_is_help=True
)


def _in_words(names: Iterable[str], conjunction: Literal["and", "or"]) -> str:
    """Names as a sentence lists them: `a, b or c`."""
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
        str, typer.Option(help=f"{_in_words(get_args(Combine), 'or')}; median is for numbers.")
    ] = "mean",
    metric: Annotated[
        str | None,
        typer.Option(
            help=f"What members are chosen by: {_in_words(selection_metrics('classes'), 'or')}, "
            f"for numbers {_in_words(selection_metrics('numbers'), 'or')}.",
            show_default="the study's objective",
        ),
    ] = None,
    trial: Annotated[
        int | None,
        typer.Option(
            help=f"For {_in_words(ENSEMBLES.with_field('trial'), 'and')}.",
            show_default="the best one",
        ),
    ] = None,
    bags: Annotated[
        int | None,
        typer.Option(
            min=0,
            help=f"For {_in_words(ENSEMBLES.with_field('bags'), 'and')}: how many selections are "
            "added up.",
            show_default="20",
        ),
    ] = None,
    wait: Annotated[bool, typer.Option(help="Stay until it is built.")] = True,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Build an ensemble of a study's checkpoints."""
    more = {"metric": metric, "trial": trial, "bags": bags}
    fields = {name: value for name, value in more.items() if value is not None}
    with connect(server) as client:
        ensemble = find_study(client, study_id).build_ensemble(
            kind, size=size, combine=combine, **fields
        )
        if wait:
            _wait(ensemble, quiet=as_json)
    emit(ensemble.record, lambda: _print_table([ensemble]), as_json=as_json)


@app.command("list")
def list_all(study_id: StudyId, server: Server = None, as_json: AsJson = False) -> None:
    """List a study's ensembles."""
    with connect(server) as client:
        listed = find_study(client, study_id).ensembles()

    def print_list() -> None:
        if listed:
            _print_table(listed)
        else:
            say(
                f"study {study_id} has no ensembles yet; build one with: "
                f"hpsearch ensemble build {study_id}"
            )

    records = EnsembleList(ensembles=[ensemble.record for ensemble in listed])
    emit(records, print_list, as_json=as_json)


@app.command()
def show(ensemble_id: EnsembleId, server: Server = None, as_json: AsJson = False) -> None:
    """Show an ensemble, its members and its warnings."""
    with connect(server) as client:
        ensemble = client.ensemble(ensemble_id)

    def print_all() -> None:
        _print_table([ensemble])
        if ensemble.best_single is not None and ensemble.mean_member is not None:
            _print_scores(ensemble, ensemble.best_single, ensemble.mean_member)
        table = Table("trial", "after epoch", "weight", box=None)
        for member in ensemble.members:
            table.add_row(str(member.trial), str(member.epoch + 1), f"{member.weight:.3f}")
        out.print(table)
        for sentence in ensemble.warnings:
            say(sentence)

    emit(ensemble.record, print_all, as_json=as_json)


def _print_scores(ensemble: Ensemble, single: Single, member: Scores) -> None:
    """Prints each metric beside the mean member and the best trial, then what else is known."""
    table = Table("", "ensemble", "95 % interval", "mean member", "best trial", box=None)
    for part in ("validation", "test"):
        own: dict[str, float] = getattr(ensemble, part)
        for name in _headline_first(own, ensemble.headline):
            interval = ensemble.intervals.get(name) if part == "test" else None
            others = (getattr(scores, part).get(name) for scores in (member, single))
            between = (
                ""
                if interval is None
                else f"{cell_text(interval.low)} to {cell_text(interval.high)}"
            )
            table.add_row(
                _row_name(part, name, ensemble),
                cell_text(own[name]),
                between,
                *map(cell_text, others),
            )
    out.print(table)
    notes = []
    if ensemble.disagreement is not None:
        notes.append(f"members disagree by {cell_text(ensemble.disagreement)}")
    if ensemble.calibration is not None:
        calibration = ensemble.calibration
        notes.append(
            f"calibration error {cell_text(calibration.ece)}, at temperature "
            f"{cell_text(calibration.temperature)} {cell_text(calibration.ece_scaled)}"
        )
    if notes:
        say("; ".join(notes))


@app.command()
def download(
    ensemble_id: EnsembleId,
    path: Annotated[
        Path | None,
        typer.Argument(
            help="A file .zip, or a directory to unpack to.", show_default="ensemble-<id>.zip"
        ),
    ] = None,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Write an ensemble to a disk, to be used without a server."""
    with connect(server) as client:
        target = client.ensemble(ensemble_id).download(path)
    emit({"path": str(target)}, f"ensemble {ensemble_id} is in {target}", as_json=as_json)


@app.command()
def delete(ensemble_id: EnsembleId, server: Server = None, as_json: AsJson = False) -> None:
    """Remove an ensemble and its file."""
    with connect(server) as client:
        client.ensemble(ensemble_id).delete()
    emit({"deleted": ensemble_id}, f"ensemble {ensemble_id} is deleted", as_json=as_json)


def _state_text(ensemble: Ensemble) -> str:
    """Its state, and whether its study was extended since."""
    return f"{ensemble.state} (stale)" if ensemble.record.stale else str(ensemble.state)


def summary(ensemble: Ensemble) -> str:
    """An ensemble in a line: its state, and how it compares with the best single trial."""
    text = f"ensemble {ensemble.id} ({ensemble.kind}): {ensemble.state}"
    if ensemble.record.stale:
        text += " before the study was extended"
    if ensemble.message:
        return f"{text}: {ensemble.message}"
    compared = compare(ensemble.record)
    if compared is None:
        return text
    return f"{text}, {pluralize(len(ensemble.members), 'member')}, {compared.sentence}"


def print_worse(listed: Iterable[Ensemble]) -> None:
    """Prints a line for each that is worse than the best single trial by the study's objective."""
    for ensemble in listed:
        compared = compare(ensemble.record)
        if compared is not None and compared.verdict == "worse":
            out.print(
                Text(f"ensemble {ensemble.id} ({ensemble.kind}) is {compared.sentence}", "red"),
                soft_wrap=True,
            )


def _wait(ensemble: Ensemble, *, quiet: bool) -> None:
    """Returns when it is built; a terminal shows how far it is, unless `quiet`."""
    if quiet:
        ensemble.wait()
        return
    with out.status(f"ensemble {ensemble.id} is queued") as status:

        def show(record: ensembles.Ensemble) -> None:
            job = record.progress
            more = "" if job is None else f": {job.what} {job.done} of {job.total}"
            status.update(f"ensemble {record.id} is {record.state}{more}")

        ensemble.wait(on_progress=show)


def _print_table(listed: Sequence[Ensemble]) -> None:
    """Prints a row per ensemble, and what went wrong with any below."""
    print_worse(listed)
    table = Table(
        "id", "kind", "state", "members", "chosen by", "metric", "validation", "test", "best trial",
        "compared", box=None, caption="best trial: the same metric of it alone, on the same rows",
        caption_justify="left",
    )  # fmt: skip
    for ensemble in listed:
        kind = (
            ensemble.kind if ensemble.combine == "mean" else f"{ensemble.kind} {ensemble.combine}"
        )
        name, compared = ensemble.headline, compare(ensemble.record)
        cells = (
            str(ensemble.id), kind, _state_text(ensemble), str(len(ensemble.members) or ""),
            ensemble.chosen_by or ensemble.metric or "", name or "",
            _score(ensemble.validation, name), _score(ensemble.test, name),
            "" if compared is None else cell_text(compared.single),
            "" if compared is None else compared.label,
        )  # fmt: skip
        table.add_row(*map(Text, cells))
    out.print(table)
    for ensemble in listed:
        if ensemble.message:
            say(f"ensemble {ensemble.id}: {ensemble.message}")


def _row_name(part: str, name: str, ensemble: Ensemble) -> str:
    """Such as `test auc`; the loss of numbers is not in their unit."""
    is_standardized = name == "loss" and "rmse" in ensemble.validation
    return f"{part} {name} (standardised)" if is_standardized else f"{part} {name}"


def _headline_first(names: Iterable[str], headline: str | None) -> list[str]:
    return sorted(names, key=lambda name: name != headline)


def _score(scores: Mapping[str, float], name: str | None) -> str:
    """The score of that name; empty where there is none."""
    return "" if name is None or name not in scores else cell_text(scores[name])
