"""Trials and their checkpoints."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.idempotent_requests import IdempotentDep
from api.parameters import Id, Number, PageSize, PageToken
from api.responses import json_response
from api.services import ServicesDep
from hpsearch.spec.language.states import TrialState
from hpsearch.spec.wire.jobs import EnqueueRequest, TrialList
from hpsearch.spec.wire.records import CheckpointList, Trial, TrialPage
from hpsearch.store import checkpoints, trials

router = APIRouter(tags=["trials"])


@router.get("/studies/{study_id:int}/trials", response_model=TrialPage)
def page(
    study_id: Id,
    services: ServicesDep,
    page_size: PageSize = 100,
    page_token: PageToken = None,
    sort: Annotated[str, Query(max_length=50, description="number, value or -value, ...")] = (
        "number"
    ),
    state: TrialState | None = None,
    stage: Annotated[int | None, Query(ge=0, le=1000)] = None,
) -> Response:
    """A study's trials."""
    with services.database.read() as session:
        return json_response(
            trials.page(
                session,
                study_id,
                size=page_size,
                token=page_token,
                sort=sort,
                state=state,
                stage=stage,
            )
        )


@router.post("/studies/{study_id:int}/trials", status_code=201, response_model=TrialList)
def add(
    study_id: Id, request: EnqueueRequest, idempotent: IdempotentDep, services: ServicesDep
) -> Response:
    """Queues trials with given parameters, beside those that are planned."""
    configurations = [trial.params for trial in request.trials]
    return idempotent.run(
        lambda session: TrialList(
            trials=services.tuner.add_trials(session, study_id, configurations)
        ),
        201,
    )


@router.get("/studies/{study_id:int}/trials/{number:int}", response_model=Trial)
def get(study_id: Id, number: Number, services: ServicesDep) -> Response:
    """One trial."""
    with services.database.read() as session:
        return json_response(trials.get(session, study_id, number))


@router.get(
    "/studies/{study_id:int}/trials/{number:int}/checkpoints", response_model=CheckpointList
)
def trial_checkpoints(study_id: Id, number: Number, services: ServicesDep) -> Response:
    """A trial's stored states."""
    with services.database.read() as session:
        trial = trials.get(session, study_id, number)
        return json_response(CheckpointList(checkpoints=checkpoints.of_trial(session, trial.id)))
