"""Ensembles: request, read, download, delete, predict."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Response
from fastapi.responses import FileResponse

from api.idempotent_requests import IdempotentDep
from api.parameters import Id
from api.responses import artifact_response, json_response
from api.services import ServicesDep
from hpsearch.spec.ensemble import EnsembleSpec
from hpsearch.spec.wire.ensembles import Ensemble, EnsembleList, JobTicket, PredictRequest
from hpsearch.store import ensembles, studies

router = APIRouter(tags=["ensembles"])


@router.get("/studies/{study_id:int}/ensembles", response_model=EnsembleList)
def of_study(study_id: Id, services: ServicesDep) -> Response:
    """A study's ensembles, the oldest first."""
    with services.database.read() as session:
        studies.get_state(session, study_id)
        return json_response(EnsembleList(ensembles=ensembles.of_study(session, study_id)))


@router.post("/studies/{study_id:int}/ensembles", status_code=202, response_model=Ensemble)
def build(
    study_id: Id,
    spec: Annotated[EnsembleSpec, Body()],
    idempotent: IdempotentDep,
    services: ServicesDep,
) -> Response:
    """Queues an ensemble of a study's checkpoints; a worker builds it."""
    return idempotent.run(
        lambda session: services.tuner.request_ensemble(session, study_id, spec), 202
    )


@router.get("/ensembles/{ensemble_id:int}", response_model=Ensemble)
def get(ensemble_id: Id, services: ServicesDep) -> Response:
    """One ensemble: members, scores, progress."""
    with services.database.read() as session:
        return json_response(ensembles.get(session, ensemble_id))


@router.delete("/ensembles/{ensemble_id:int}", status_code=204)
def delete(ensemble_id: Id, services: ServicesDep) -> Response:
    """Removes an ensemble with its file; one that is not over is built no further."""
    with services.database.write() as session:
        services.tuner.delete_ensemble(session, ensemble_id)
    return Response(status_code=204)


@router.get("/ensembles/{ensemble_id:int}/artifact", response_class=FileResponse)
def artifact(ensemble_id: Id, services: ServicesDep) -> Response:
    """An ensemble's file (zip), which `hpsearch.load_ensemble` reads."""
    with services.database.read() as session:
        stored = ensembles.artifact_of(session, ensemble_id)
    name, noun = f"ensemble-{ensemble_id}.zip", f"ensemble {ensemble_id}"
    return artifact_response(services, stored, name, noun, "build it anew")


@router.post("/ensembles/{ensemble_id:int}:predict", status_code=202, response_model=JobTicket)
def predict(
    ensemble_id: Id, request: PredictRequest, idempotent: IdempotentDep, services: ServicesDep
) -> Response:
    """Queues rows for an ensemble to predict; `GET /jobs/{job}` has the answer when it is done."""
    return idempotent.run(
        lambda session: services.tuner.predict(session, ensemble_id, request), 202
    )
