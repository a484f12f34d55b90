"""Studies: submit, list, look, pause, resume, stop, clone, delete."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from sqlalchemy.orm import Session

from api.idempotent_requests import IdempotentDep
from api.parameters import Body, Id, PageSize, PageToken
from api.responses import json_response
from api.schedule_preview import schedule_curve
from api.services import ServicesDep
from hpsearch.errors import InvalidInput
from hpsearch.service import submission
from hpsearch.spec.language.document import read_document
from hpsearch.spec.language.states import StudyState
from hpsearch.spec.study import StudySpec, parse_study
from hpsearch.spec.wire.extension import ExtendRequest
from hpsearch.spec.wire.records import (
    Curves,
    EditedStudy,
    EventPage,
    Study,
    StudyPage,
    StudyPreview,
    StudyVersionList,
)
from hpsearch.store import datasets, events, reports, studies, study_records, versions

router = APIRouter(tags=["studies"])

SPEC_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            media: {"schema": {"$ref": "#/components/schemas/StudySpec"}}
            for media in ("application/json", "application/yaml")
        },
    }
}


@router.post("/studies", status_code=201, response_model=Study, openapi_extra=SPEC_BODY)
def submit(body: Body, idempotent: IdempotentDep, services: ServicesDep) -> Response:
    """Queues a study."""
    spec = parse_study(read_document(body))
    return idempotent.run(lambda session: services.tuner.submit(session, spec), 201)


@router.post("/studies:preview", response_model=StudyPreview, openapi_extra=SPEC_BODY)
def preview(body: Body, services: ServicesDep) -> Response:
    """What a spec would cost; nothing is stored."""
    spec = parse_study(read_document(body))
    with services.database.read() as session:
        previewed = submission.preview(session, spec)
        info = datasets.find(session, spec.dataset or "", spec.dataset_version)
    curve = schedule_curve(parse_study(previewed.spec), info)
    return json_response(previewed.model_copy(update={"schedule": curve}))


@router.get("/studies", response_model=StudyPage)
def page(
    services: ServicesDep,
    page_size: PageSize = 50,
    page_token: PageToken = None,
    state: StudyState | None = None,
    name: Annotated[str | None, Query(max_length=200)] = None,
) -> Response:
    """Studies, newest first; perhaps those in one state or of one name alone."""
    with services.database.read() as session:
        return json_response(study_records.page(session, page_size, page_token, state, name))


@router.get("/studies/{study_id:int}", response_model=Study)
def get(study_id: Id, services: ServicesDep) -> Response:
    """One study."""
    with services.database.read() as session:
        return json_response(study_records.get(session, study_id))


@router.patch("/studies/{study_id:int}", response_model=EditedStudy)
def edit(study_id: Id, body: Body, idempotent: IdempotentDep, services: ServicesDep) -> Response:
    """Changes the space or the budget of a study under way, as a merge patch of its spec.

    Trials that have begun keep the version of the spec that they were made with; those that workers
    hold and have not begun are taken back and made anew.
    """
    patch = read_document(body)
    return idempotent.run(lambda session: services.tuner.edit(session, study_id, patch))


@router.get("/studies/{study_id:int}/versions", response_model=StudyVersionList)
def spec_versions(study_id: Id, services: ServicesDep) -> Response:
    """The specs that a study ran with."""
    with services.database.read() as session:
        return json_response(StudyVersionList(versions=versions.of_study(session, study_id)))


@router.delete("/studies/{study_id:int}", status_code=204)
def delete(study_id: Id, services: ServicesDep) -> Response:
    """Removes a study that is over, with its artifacts."""
    with services.database.write() as session:
        services.tuner.delete(session, study_id)
    return Response(status_code=204)


@router.post("/studies/{study_id:int}:pause", response_model=EditedStudy)
def pause(study_id: Id, idempotent: IdempotentDep, services: ServicesDep) -> Response:
    """Hands out no more trials; those that run go on to their end."""
    return idempotent.run(lambda session: services.tuner.pause(session, study_id))


@router.post("/studies/{study_id:int}:resume", response_model=Study)
def resume(study_id: Id, idempotent: IdempotentDep, services: ServicesDep) -> Response:
    """Goes on with a paused study."""
    return idempotent.run(lambda session: services.tuner.resume(session, study_id))


@router.post("/studies/{study_id:int}:stop", response_model=Study)
def stop(study_id: Id, idempotent: IdempotentDep, services: ServicesDep) -> Response:
    """Ends a study now."""
    return idempotent.run(lambda session: services.tuner.stop(session, study_id))


@router.post("/studies/{study_id:int}:extend", response_model=Study)
def extend(
    study_id: Id, request: ExtendRequest, idempotent: IdempotentDep, services: ServicesDep
) -> Response:
    """Gives a study that is complete or stopped more trials, longer ones, or more stages.

    It runs again as the next version of its spec; ensembles that it has are kept and are `stale`.
    """
    return idempotent.run(lambda session: services.tuner.extend(session, study_id, request))


@router.post("/studies/{study_id:int}:clone", status_code=201, response_model=Study)
def clone(study_id: Id, body: Body, idempotent: IdempotentDep, services: ServicesDep) -> Response:
    """Queues a study's spec again; top-level fields in the body take the place of its own."""
    changes = read_document(body) if body.strip() else {}

    def copy(session: Session) -> Study:
        source = study_records.get(session, study_id)
        return services.tuner.submit(session, parse_study({**source.spec, **changes}))

    return idempotent.run(copy, 201)


@router.get("/studies/{study_id:int}/curves", response_model=Curves)
def curves(
    study_id: Id,
    services: ServicesDep,
    metric: Annotated[str, Query(min_length=1, max_length=200)],
    trials: Annotated[str | None, Query(description="numbers, separated by commas")] = None,
    max_points: Annotated[int | None, Query(ge=1, le=100_000)] = None,
) -> Response:
    """One metric of a study's trials by epoch."""
    with services.database.read() as session:
        return json_response(
            reports.curves(session, study_id, metric, _numbers(trials), max_points)
        )


@router.get("/studies/{study_id:int}/events", response_model=EventPage)
def log(
    study_id: Id, services: ServicesDep, page_size: PageSize = 200, page_token: PageToken = None
) -> Response:
    """What happened to a study, from the oldest on."""
    with services.database.read() as session:
        studies.get_state(session, study_id)
        return json_response(events.page(session, study_id, page_size, page_token))


def _numbers(text: str | None) -> list[int] | None:
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and len(part) <= 9 for part in parts):
        raise InvalidInput.at(
            "trials", f"must be trial numbers separated by commas, got {text[:60]!r}"
        )
    return [int(part) for part in parts]


def spec_schema() -> dict[str, Any]:
    """The JSON Schema of a study spec, as the OpenAPI document embeds it."""
    return StudySpec.model_json_schema(ref_template="#/components/schemas/{model}")
