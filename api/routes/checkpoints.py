"""Checkpoints: what they hold, what they predict, which are kept."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import FileResponse
from sqlalchemy.orm import Session

from api.idempotent_requests import IdempotentDep
from api.parameters import Id
from api.responses import artifact_response, json_response
from api.services import ServicesDep
from hpsearch.spec.wire.jobs import GarbageCollectionRequest
from hpsearch.spec.wire.records import Checkpoint, GarbageCollection
from hpsearch.store import checkpoints

router = APIRouter(tags=["checkpoints"])


@router.get("/checkpoints/{checkpoint_id:int}", response_model=Checkpoint)
def checkpoint(checkpoint_id: Id, services: ServicesDep) -> Response:
    """What a checkpoint holds."""
    with services.database.read() as session:
        return json_response(checkpoints.get(session, checkpoint_id)[0])


@router.get("/checkpoints/{checkpoint_id:int}/artifact", response_class=FileResponse)
def artifact(checkpoint_id: Id, services: ServicesDep) -> Response:
    """A checkpoint's file (safetensors); its sha256 is in `X-Content-Sha256`."""
    with services.database.read() as session:
        record, stored = checkpoints.get(session, checkpoint_id)
    name = f"study-{record.study_id}-trial-{record.trial}-epoch-{record.epoch}.safetensors"
    remedy = "use another checkpoint"
    return artifact_response(services, stored, name, f"checkpoint {checkpoint_id}", remedy)


@router.get("/checkpoints/{checkpoint_id:int}/predictions", response_class=FileResponse)
def predictions(checkpoint_id: Id, services: ServicesDep) -> Response:
    """What a checkpoint says of validation and test rows (safetensors), where that is stored."""
    with services.database.read() as session:
        stored = checkpoints.predictions_of(session, checkpoint_id)
    name = f"predictions-{checkpoint_id}.safetensors"
    remedy = "make them again from the checkpoint"
    return artifact_response(
        services, stored, name, f"predictions of checkpoint {checkpoint_id}", remedy
    )


@router.post("/checkpoints/{checkpoint_id:int}:pin", response_model=Checkpoint)
def pin(checkpoint_id: Id, idempotent: IdempotentDep) -> Response:
    """Keeps a checkpoint, whatever the study's policy says."""
    return idempotent.run(lambda session: checkpoints.pin(session, checkpoint_id, pinned=True))


@router.post("/checkpoints/{checkpoint_id:int}:unpin", response_model=Checkpoint)
def unpin(checkpoint_id: Id, idempotent: IdempotentDep) -> Response:
    """Leaves a checkpoint to the study's policy again."""
    return idempotent.run(lambda session: checkpoints.pin(session, checkpoint_id, pinned=False))


@router.post("/artifacts:collect", response_model=GarbageCollection)
def collect(
    terms: GarbageCollectionRequest, idempotent: IdempotentDep, services: ServicesDep
) -> Response:
    """Removes files that nothing needs; with `dry_run` only says what these are."""
    files = services.artifacts.files()
    if terms.dry_run:
        with services.database.read() as session:
            return json_response(services.tuner.collect_garbage(session, files, terms))

    def sweep(session: Session) -> GarbageCollection:
        return services.tuner.collect_garbage(session, files, terms)

    return idempotent.run(sweep)
