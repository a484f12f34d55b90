"""Trials and their checkpoints."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import FileResponse

from api.requests import Id, Number, OneChange, answer
from api.routes.studies import PageSize, PageToken
from api.services import Served
from hpsearch.errors import CorruptArtifact
from hpsearch.spec.exchange import GivenTrials, TrialList
from hpsearch.spec.records import Checkpoint, CheckpointList, Trial, TrialPage
from hpsearch.spec.states import TrialState
from hpsearch.store import checkpoints, trials

router = APIRouter(tags=["trials"])


@router.get("/studies/{study_id:int}/trials", response_model=TrialPage)
def page(
    study_id: Id,
    services: Served,
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
        return answer(
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
def add(study_id: Id, given: GivenTrials, change: OneChange, services: Served) -> Response:
    """Queues trials with given parameters, beside those that are planned."""
    configurations = [trial.params for trial in given.trials]
    return change(
        lambda session: TrialList(
            trials=services.tuner.add_trials(session, study_id, configurations)
        ),
        201,
    )


@router.get("/studies/{study_id:int}/trials/{number:int}", response_model=Trial)
def get(study_id: Id, number: Number, services: Served) -> Response:
    """One trial."""
    with services.database.read() as session:
        return answer(trials.get(session, study_id, number))


@router.get(
    "/studies/{study_id:int}/trials/{number:int}/checkpoints", response_model=CheckpointList
)
def trial_checkpoints(study_id: Id, number: Number, services: Served) -> Response:
    """A trial's stored states."""
    with services.database.read() as session:
        trial = trials.get(session, study_id, number)
        return answer(CheckpointList(checkpoints=checkpoints.of_trial(session, trial.id)))


@router.get("/checkpoints/{checkpoint_id:int}", response_model=Checkpoint)
def checkpoint(checkpoint_id: Id, services: Served) -> Response:
    """What a checkpoint holds."""
    with services.database.read() as session:
        return answer(checkpoints.get(session, checkpoint_id)[0])


@router.get("/checkpoints/{checkpoint_id:int}/artifact", response_class=FileResponse)
def artifact(checkpoint_id: Id, services: Served) -> Response:
    """A checkpoint's file (safetensors); its sha256 is in `X-Content-Sha256`."""
    with services.database.read() as session:
        record, stored = checkpoints.get(session, checkpoint_id)
    path = services.artifacts.path(stored.key)
    if not path.is_file() or path.stat().st_size != stored.size_bytes:
        raise CorruptArtifact(
            f"checkpoint {checkpoint_id} must have a whole file, and {stored.key} is missing or "
            "truncated; use another checkpoint"
        )
    return FileResponse(
        path,
        media_type="application/octet-stream",
        filename=f"study-{record.study_id}-trial-{record.trial}-epoch-{record.epoch}.safetensors",
        headers={"X-Content-Sha256": stored.sha256},
    )
