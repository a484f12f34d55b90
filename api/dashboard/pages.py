"""The pages that a browser sees once it is signed in: studies, one study, one trial, workers."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from api.dashboard.ensembles import choices, comparison
from api.dashboard.figures import figure_cards
from api.dashboard.formatting import as_yaml
from api.dashboard.rendering import HEADERS, Page, render
from api.dashboard.trials_table import PAGE_SIZE, read_trials_table
from api.parameters import Id, Number
from api.services import ServicesDep
from api.study_reader import StudyReader
from hpsearch.example_files import examples
from hpsearch.plots.trial_figure import panels
from hpsearch.service.datasets import info_of
from hpsearch.spec.language.states import StudyState, TrialState
from hpsearch.spec.study import parse_study
from hpsearch.store import (
    checkpoints,
    ensembles,
    events,
    studies,
    study_records,
    trial_log,
    trials,
    workers,
)
from hpsearch.store.database import now

router = APIRouter(include_in_schema=False, route_class=Page)

EVENTS_SHOWN = 30

Text = Annotated[str, Query(max_length=500)]


@router.get("/")
def front() -> Response:
    """The studies."""
    return RedirectResponse("/studies", HTTPStatus.SEE_OTHER, HEADERS)


@router.get("/studies")
def all_studies(
    services: ServicesDep, state: Text = "", page_token: Text = "", part: Text = ""
) -> HTMLResponse:
    """A list of studies, newest first; `part=rows` gives the table alone."""
    with services.database.read() as session:
        chosen = StudyState(state) if state in set(StudyState) else None
        page = study_records.page(session, PAGE_SIZE, page_token or None, chosen)
    return render(
        "studies_table.html" if part else "studies.html",
        page=page,
        state=state,
        states=list(StudyState),
        first=not page_token,
    )


@router.get("/studies/new")
def new_study(
    services: ServicesDep, like: Annotated[int | None, Query(ge=1)] = None
) -> HTMLResponse:
    """A form to submit a study; `like` starts it from another study's spec."""
    specs = {path.stem: path.read_text() for path in examples()}
    text = specs["digits"]
    if like is not None:
        with services.database.read() as session:
            spec = studies.spec_of(session, like)
            text = as_yaml(spec.model_dump(mode="json", exclude_defaults=True))
    return render("new.html", text=text, examples=specs, like=like)


@router.get("/studies/{study_id:int}")
def one_study(request: Request, study_id: Id, services: ServicesDep) -> HTMLResponse:
    """A study: how far it is, its curves, its space, its ensembles, its trials, its log."""
    address = dict(request.query_params)
    with services.database.read() as session:
        study = study_records.get(session, study_id)
        reader = StudyReader(services, session, study_id)
        return render(
            "study.html",
            study=study,
            data=info_of(session, reader.spec),
            figures=figure_cards(reader, address),
            log=events.latest(session, study_id, EVENTS_SHOWN),
            since=now(session),
            compared=comparison(session, study_id),
            choices=choices(session, reader.spec),
            table=read_trials_table(session, study_id, address),
            trial_states=list(TrialState),
        )


@router.get("/studies/{study_id:int}/table")
def study_table(request: Request, study_id: Id, services: ServicesDep) -> HTMLResponse:
    """The table of trials alone."""
    address = dict(request.query_params)
    with services.database.read() as session:
        table = read_trials_table(session, study_id, address)
        return render("trials_table.html", table=table)


@router.get("/studies/{study_id:int}/stages")
def study_stages(study_id: Id, services: ServicesDep) -> HTMLResponse:
    """The stages alone."""
    with services.database.read() as session:
        return render("stages.html", stages=study_records.get(session, study_id).stages)


@router.get("/studies/{study_id:int}/advice")
def study_advice(study_id: Id, services: ServicesDep) -> HTMLResponse:
    """What the trials tell of the space."""
    with services.database.read() as session:
        diagnosis = StudyReader(services, session, study_id).diagnosis()
    return render("advice.html", diagnosis=diagnosis)


@router.get("/studies/{study_id:int}/ensembles")
def study_ensembles(study_id: Id, services: ServicesDep) -> HTMLResponse:
    """The table of ensembles alone."""
    with services.database.read() as session:
        studies.get_state(session, study_id)
        return render(
            "ensembles_table.html", study_id=study_id, compared=comparison(session, study_id)
        )


@router.get("/studies/{study_id:int}/log")
def study_log(study_id: Id, services: ServicesDep) -> HTMLResponse:
    """The log alone."""
    with services.database.read() as session:
        return render("log.html", log=events.latest(session, study_id, EVENTS_SHOWN))


@router.get("/studies/{study_id:int}/trials/{number:int}")
def one_trial(study_id: Id, number: Number, services: ServicesDep) -> HTMLResponse:
    """A trial: parameters, every curve, attempts, events, checkpoints."""
    with services.database.read() as session:
        study = study_records.get(session, study_id)
        trial = trials.get(session, study_id, number)
        spec = parse_study(study.spec)
        return render(
            "trial.html",
            study=study,
            trial=trial,
            objective=spec.objectives[0],
            label=lambda name: spec.curve_label(name, trial.metrics),
            panels=panels([name for name in trial.metrics if not name.startswith("test_")]),
            checkpoints=checkpoints.of_trial(session, trial.id),
            members=ensembles.members(session, study_id),
            attempts=trial_log.attempts(session, trial.id),
            log=trial_log.events_of(session, study_id, trial.id, number),
            since=now(session),
        )


@router.get("/workers")
def all_workers(services: ServicesDep) -> HTMLResponse:
    """Who trains."""
    with services.database.read() as session:
        return render(
            "workers.html", workers=workers.page(session, services.lease_seconds), at=now(session)
        )
