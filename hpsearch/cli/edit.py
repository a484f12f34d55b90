"""Commands that change a study: pause, resume, stop, delete, edit, add, extend."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from hpsearch.cli.options import AsJson, Server, StudyId, connect, find_study
from hpsearch.cli.output import emit, say
from hpsearch.client.client import Study, spec_document
from hpsearch.errors import InvalidInput
from hpsearch.spec.language.document import read_document
from hpsearch.spec.language.messages import pluralize
from hpsearch.spec.wire.records import EditedStudy

app = typer.Typer()


@app.command()
def pause(study_id: StudyId, server: Server = None, as_json: AsJson = False) -> None:
    """Hand out no more of a study's trials; those that have begun go on to their end."""
    with connect(server) as client:
        study = find_study(client, study_id).pause()

    def print_state() -> None:
        say(f"study {study.id} is {study.state}")
        _print_counts(study)

    emit(study.record, print_state, as_json=as_json)


@app.command()
def resume(study_id: StudyId, server: Server = None, as_json: AsJson = False) -> None:
    """Go on with a paused study."""
    _act(server, study_id, "resume", as_json)


@app.command()
def stop(study_id: StudyId, server: Server = None, as_json: AsJson = False) -> None:
    """End a study now, its trials at their last epoch; what they came to is kept."""
    _act(server, study_id, "stop", as_json)


@app.command()
def delete(study_id: StudyId, server: Server = None, as_json: AsJson = False) -> None:
    """Remove a study that is over, and its checkpoints."""
    with connect(server) as client:
        if not study_id.isdecimal() and len(client.studies(2, name=study_id)) > 1:
            raise InvalidInput.at(
                "STUDY", f"must be an id, as several studies are called {study_id!r}; name one"
            )
        study = find_study(client, study_id)
        study.delete()
    emit({"deleted": study.id}, f"study {study.id} is deleted", as_json=as_json)


@app.command()
def edit(
    study_id: StudyId,
    file: Annotated[Path, typer.Argument(help="The parts of the spec that change, in YAML.")],
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Change the ranges or the budget of a study under way."""
    with connect(server) as client:
        study = find_study(client, study_id).edit(**spec_document(file))
        latest = study.versions()[-1]

    def print_changes() -> None:
        say(f"study {study.id} runs version {latest.version} of its spec")
        for change in latest.changes:
            say(f"  {change}")
        _print_counts(study)

    emit(study.record, print_changes, as_json=as_json)


@app.command()
def extend(
    study_id: StudyId,
    trials: Annotated[int | None, typer.Option(min=1, help="So many trials more.")] = None,
    epochs: Annotated[
        int | None,
        typer.Option(min=1, help="So many epochs more for each complete trial of the last stage."),
    ] = None,
    budget: Annotated[
        int | None, typer.Option(min=1, help="Epochs more for a search that has a budget.")
    ] = None,
    stages: Annotated[
        str | None,
        typer.Option(help="Stages more, in YAML: '[{trials: 8, epochs: 30}]'."),
    ] = None,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Give a study that is complete or stopped more to do; name one of the options."""
    more = None if stages is None else read_document(f"stages: {stages}".encode())["stages"]
    with connect(server) as client:
        study = find_study(client, study_id)
        study.extend(trials=trials, epochs=epochs, budget=budget, stages=more)
        latest = study.versions()[-1]

    def print_changes() -> None:
        say(f"study {study.id} is {study.state} again, by version {latest.version} of its spec")
        for change in latest.changes:
            say(f"  {change}")

    emit(study.record, print_changes, as_json=as_json)


def _print_counts(study: Study) -> None:
    """Says what an edit or a pause took back from workers, and what stays on an earlier version."""
    record = study.record
    if not isinstance(record, EditedStudy):
        return
    if record.returned_trials:
        say(f"{pluralize(record.returned_trials, 'trial')} taken back that had not begun")
    if record.trials_on_old_version:
        count = pluralize(record.trials_on_old_version, "trial")
        say(f"{count} under way on an earlier version of the spec")


@app.command()
def add(
    study_id: StudyId,
    params: Annotated[
        list[str],
        typer.Argument(help="PARAMETER=VALUE for each parameter of the space.", metavar="PARAM..."),
    ],
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Queue a trial with given parameters beside those that a study plans."""
    configuration = dict(_assignment(param) for param in params)
    with connect(server) as client:
        study = find_study(client, study_id)
        (trial,) = study.add_trials(configuration)
    line = f"trial {trial.number} of study {study.id} is {trial.state}"
    emit(trial.record, line, as_json=as_json)


def _assignment(text: str) -> tuple[str, Any]:
    """Name and value of `name=value`; the value is read as YAML."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise InvalidInput.at("PARAM", f"must be PARAMETER=VALUE, got {text!r}")
    return name, read_document(f"value: {value}".encode())["value"]


def _act(server: str | None, study_id: str, verb: str, as_json: bool) -> None:
    """Changes a study's state by its handle's method `verb`."""
    with connect(server) as client:
        study = find_study(client, study_id)
        getattr(study, verb)()
    emit(study.record, f"study {study.id} is {study.state}", as_json=as_json)
