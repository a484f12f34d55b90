"""The pages: studies, one study, one trial, a new study, the API, and the public_router."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any, get_args

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from api.auth import delete_cookie, has_cookie, is_token, set_cookie
from api.dashboard.ensembles import choices, comparison
from api.dashboard.formatting import as_yaml
from api.dashboard.reference import operations
from api.dashboard.rendering import HEADERS, Page, own_path, render
from api.parameters import Id, Number
from api.routes.advice import known_diagnosis
from api.routes.figures import default_axes
from api.services import ServicesDep
from hpsearch import plots
from hpsearch.errors import InvalidInput
from hpsearch.example_files import examples
from hpsearch.spec.language.states import StudyState, TrialState
from hpsearch.spec.space.space import search_space
from hpsearch.spec.study import parse_study
from hpsearch.spec.wire.advice import Evaluator, Target
from hpsearch.spec.wire.filters import parse_filter
from hpsearch.store import (
    checkpoints,
    ensembles,
    events,
    figure_points,
    studies,
    trial_log,
    trial_table,
    trials,
    workers,
)
from hpsearch.store.database import now

router = APIRouter(include_in_schema=False, route_class=Page)
public_router = APIRouter(include_in_schema=False)

PAGE_SIZE = 25
EVENTS_SHOWN = 30
TOPS = (5, 10, 20, 50, 100)

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
        found = studies.page(session, PAGE_SIZE, page_token or None, chosen)
    return render(
        "studies_table.html" if part else "studies.html",
        page=found,
        state=state,
        states=list(StudyState),
        first=not page_token,
    )


@router.get("/studies/new")
def new_study(
    services: ServicesDep, like: Annotated[int | None, Query(ge=1)] = None
) -> HTMLResponse:
    """A form to submit a study; `like` starts it from another study's spec."""
    offered = {path.stem: path.read_text() for path in examples()}
    text = offered["digits"]
    if like is not None:
        with services.database.read() as session:
            spec = studies.spec_of(session, like)
            text = as_yaml(spec.model_dump(mode="json", exclude_defaults=True))
    return render("new.html", text=text, examples=offered, like=like)


@router.get("/studies/{study_id:int}")
def one_study(request: Request, study_id: Id, services: ServicesDep) -> HTMLResponse:
    """A study: how far it is, its curves, its space, its ensembles, its trials, its log."""
    asked = dict(request.query_params)
    with services.database.read() as session:
        study = studies.get(session, study_id)
        spec = parse_study(study.spec)
        objective = spec.objectives[0]
        across, upward = default_axes(spec)
        return render(
            "study.html",
            study=study,
            is_staged=spec.search.is_staged,
            metrics=_metrics(figure_points.metric_names(session, study_id), objective.metric),
            axes=plots.axes(search_space(spec), objective),
            x=asked.get("x", across),
            y=asked.get("y", upward),
            box=asked.get("box", across),
            evaluators=get_args(Evaluator),
            targets=get_args(Target),
            tops=TOPS,
            log=events.latest(session, study_id, EVENTS_SHOWN),
            since=now(session),
            compared=comparison(session, study_id),
            choices=choices(session, spec),
            **_table(session, study_id, asked),
        )


@router.get("/studies/{study_id:int}/table")
def study_table(request: Request, study_id: Id, services: ServicesDep) -> HTMLResponse:
    """The table of trials alone."""
    asked = dict(request.query_params)
    with services.database.read() as session:
        return render("trials_table.html", **_table(session, study_id, asked))


@router.get("/studies/{study_id:int}/stages")
def study_stages(study_id: Id, services: ServicesDep) -> HTMLResponse:
    """The stages alone."""
    with services.database.read() as session:
        return render("stages.html", stages=studies.get(session, study_id).stages)


@router.get("/studies/{study_id:int}/advice")
def study_advice(study_id: Id, services: ServicesDep) -> HTMLResponse:
    """What the trials tell of the space."""
    return render("advice.html", diagnosis=known_diagnosis(services, study_id))


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
        study = studies.get(session, study_id)
        trial = trials.get(session, study_id, number)
        return render(
            "trial.html",
            study=study,
            trial=trial,
            objective=parse_study(study.spec).objectives[0],
            panels=plots.panels([name for name in trial.metrics if not name.startswith("test_")]),
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


@public_router.get("/docs")
def docs(request: Request, services: ServicesDep) -> HTMLResponse:
    """Every request and answer, without scripts from elsewhere."""
    return render(
        "docs.html",
        groups=operations(request.app.openapi()),
        signed_in=has_cookie(request, services),
    )


@public_router.get("/login")
def login_form(request: Request, wrong: Text = "") -> HTMLResponse:
    """Asks for the token."""
    then = own_path(request.query_params.get("next", "/studies"))
    return render("login.html", then=then, wrong=bool(wrong))


@public_router.post("/login")
def login(
    request: Request,
    services: ServicesDep,
    token: Annotated[str, Form(max_length=500)],
    then: Annotated[str, Form(max_length=2000)] = "/studies",
) -> Response:
    """Signs a browser in that sends the token."""
    if not is_token(token, services):
        return render("login.html", HTTPStatus.FORBIDDEN, then=own_path(then), wrong=True)
    response = RedirectResponse(own_path(then), HTTPStatus.SEE_OTHER, HEADERS)
    set_cookie(request, response, services)
    return response


@public_router.post("/logout")
def logout(services: ServicesDep) -> Response:
    """Signs a browser out."""
    response = RedirectResponse("/login", HTTPStatus.SEE_OTHER, HEADERS)
    delete_cookie(response, services)
    return response


def _metrics(reported: list[str], objective: str) -> list[str]:
    """What curves may show: the objective first, test scores never."""
    rest = [n for n in reported if n != objective and not n.startswith("test_")]
    return [objective, *rest]


def _table(session: Any, study_id: int, asked: dict[str, str]) -> dict[str, Any]:
    """The table of trials as an address asks for it; what it asks wrongly is said, not obeyed."""
    row = studies.row_of(session, study_id)
    spec = parse_study(row.spec)
    space = search_space(spec)
    best = studies.best_trial(session, study_id, spec)
    best_first = spec.objectives[0].best_first
    sort, text, state = (
        asked.get("sort", best_first),
        asked.get("filter", ""),
        asked.get("state", ""),
    )
    page = int(asked["page"]) if asked.get("page", "").isdecimal() else 1
    wrong = ""
    try:
        request = trial_table.Request(
            sort=sort,
            state=TrialState(state) if state in set(TrialState) else None,
            conditions=tuple(parse_filter(text)),
            page=min(max(page, 1), 1_000_000),
            size=PAGE_SIZE,
        )
        table = trial_table.read(session, study_id, space, request)
    except InvalidInput as error:
        wrong = str(error)
        request = trial_table.Request(sort=best_first, size=PAGE_SIZE)
        table = trial_table.read(session, study_id, space, request)
    return {
        "study_id": study_id,
        "study_state": row.state,
        "best_number": None if best is None else best.number,
        "table": table,
        "columns": [parameter.name for parameter in space.parameters],
        "request": request,
        "pages": -(-table.matching // PAGE_SIZE),
        "asked": asked,
        "objective": spec.objectives[0],
        "trial_states": list(TrialState),
        "filter_text": text,
        "filter_wrong": wrong,
    }
