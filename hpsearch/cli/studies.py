"""Commands that submit and read studies: submit, studies, show, trials, events."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from hpsearch.cli.ensembles import print_worse, summary
from hpsearch.cli.options import AsJson, Server, StudyId, Watch, connect, find_study
from hpsearch.cli.output import emit, out, say
from hpsearch.client.client import Study
from hpsearch.client.progress_display import cell_text, progress_display, trials_table
from hpsearch.spec.language.states import EndReason, EventKind, StudyState, TrialState
from hpsearch.spec.wire import records

app = typer.Typer()

INTERRUPTED = 130
"""The exit status when Ctrl-C ended the watching, as shells have it."""

NOT_COMPLETE = 3
"""The exit status when a watched study ended otherwise than complete."""


@app.command()
def submit(
    file: Annotated[Path, typer.Argument(help="A spec in YAML or JSON.")],
    watch: Watch = False,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Queue a study."""
    with connect(server) as client:
        study = client.submit(file)
        if not as_json:
            say(f"study {study.id} is {study.state}; see {study.url}")
            for event in study.events():
                if event.kind is EventKind.STUDY_WARNING:
                    say(f"note: {event.message}")
        if watch:
            watch_study(study, quiet=as_json)
        if watch or as_json:
            emit(study.record, lambda: print_study(study, 5), as_json=as_json)
        _exit_unless_complete(study, watch)


@app.command()
def studies(
    server: Server = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List studies, newest first."""
    with connect(server) as client:
        listed = [study.record for study in client.studies(limit)]
    page = records.StudyPage(studies=listed, next_page_token=None)
    emit(page, lambda: _print_studies(listed), as_json=as_json)


@app.command()
def show(
    study_id: StudyId,
    top: Annotated[int, typer.Option(min=1, max=1000, help="How many trials to list.")] = 10,
    watch: Watch = False,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Show a study and its best trials."""
    with connect(server) as client:
        study = find_study(client, study_id)
        if watch:
            watch_study(study, quiet=as_json)
        emit(study.record, lambda: print_study(study, top), as_json=as_json)
        _exit_unless_complete(study, watch)


@app.command()
def trials(
    study_id: StudyId,
    sort: Annotated[
        str,
        typer.Option(help="number, value or epochs_done; after a - the highest comes first."),
    ] = "number",
    state: Annotated[TrialState | None, typer.Option(help="Only those in this state.")] = None,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """List a study's trials."""
    with connect(server) as client:
        study = find_study(client, study_id)
        listed = study.trials(state=state, sort=sort).records
    page = records.TrialPage(trials=listed, next_page_token=None)
    emit(page, lambda: out.print(trials_table(study.record, listed)), as_json=as_json)


@app.command()
def events(study_id: StudyId, server: Server = None, as_json: AsJson = False) -> None:
    """Print a study's log, from the oldest on."""
    with connect(server) as client:
        log = find_study(client, study_id).events()

    def print_log() -> None:
        for event in log:
            say(f"{event.at:%Y-%m-%d %H:%M:%S}  {event.message}")

    emit(records.EventPage(events=log, next_page_token=None), print_log, as_json=as_json)


def watch_study(
    study: Study, check: Callable[[], object] | None = None, *, quiet: bool = False
) -> None:
    """Shows a study's progress and best trials until it is over.

    Args:
        study: which one.
        check: called with each reading; an exception of it ends the watching.
        quiet: shows nothing.
    """
    try:
        _watch(study, check, quiet=quiet)
    except KeyboardInterrupt:
        typer.echo(
            f"hpsearch: study {study.id} goes on; watch it with "
            f"`hpsearch show {study.id} --watch`, end it with `hpsearch stop {study.id}`",
            err=True,
        )
        raise typer.Exit(INTERRUPTED) from None


def _watch(study: Study, check: Callable[[], object] | None, *, quiet: bool) -> None:
    if quiet:
        study.wait()
        return

    def best(count: int) -> list[records.Trial]:
        return study.best(count).records

    with progress_display(out, best, study.url.partition("/studies/")[0]) as show_progress:

        def on_progress(record: records.Study) -> None:
            if check is not None:
                check()
            show_progress(record)

        study.wait(on_progress=on_progress)


def print_study(study: Study, top: int) -> None:
    """Prints a study, its `top` best trials, the best one's test scores, and its ensembles."""
    record = study.refresh().record
    say(
        f"study {study.id}  {study.name}  {study.state}  {record.counts.ended} trials "
        f"ended, {record.counts.pruned} of them pruned, {record.counts.failed} failed"
    )
    if record.end is not None and record.end.reason is not EndReason.FINISHED:
        say(f"it ended by {record.end.reason}: {record.end.message}")
    ensembles = study.ensembles() if record.ensembles else []
    print_worse(ensembles)
    out.print(trials_table(record, study.best(top).records))
    best = study.best_trial
    if best is not None:
        scores = {record.objectives[0].metric: best.value, **_test_scores(best.metrics)}
        labels = [record.curve_label(name, best.metrics) for name in scores]
        values = ", ".join(
            f"{label} {cell_text(value)}"
            for label, value in zip(labels, scores.values(), strict=True)
        )
        say(f"best trial {best.number}: {values}")
    for ensemble in ensembles:
        say(summary(ensemble))


def _test_scores(metrics: dict[str, float]) -> dict[str, float]:
    """By name, but for those of single classes, which `--json` has."""
    return {
        name: value
        for name, value in metrics.items()
        if name.startswith("test_") and not name.endswith("]")
    }


def _print_studies(listed: list[records.Study]) -> None:
    if not listed:
        say("no studies yet; submit one with: hpsearch submit study.yaml")
        return
    table = Table("id", "name", "state", "trials ended", "best", box=None)
    for study in listed:
        cells = (
            str(study.id), study.name, str(study.state), str(study.counts.ended),
            cell_text(study.best_value),
        )  # fmt: skip
        table.add_row(*map(Text, cells))
    out.print(table)


def _exit_unless_complete(study: Study, watched: bool) -> None:
    if watched and study.state is not StudyState.COMPLETE:
        raise typer.Exit(NOT_COMPLETE)
