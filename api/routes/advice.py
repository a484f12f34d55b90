"""What a study's trials tell of its space: findings and importances."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.parameters import Id
from api.responses import json_response
from api.services import ServicesDep
from api.study_reader import StudyReader
from hpsearch.spec.wire.advice import Diagnosis, Evaluator, Importances, ImportanceTarget

router = APIRouter(tags=["advice"])


@router.get("/studies/{study_id:int}/diagnosis", response_model=Diagnosis)
def diagnosis(study_id: Id, services: ServicesDep) -> Response:
    """Ranges at an end of which the best trials lie, and parameters that make no difference."""
    with services.database.read() as session:
        return json_response(StudyReader(services, session, study_id).diagnosis())


@router.get("/studies/{study_id:int}/importances", response_model=Importances)
def importances(
    study_id: Id,
    services: ServicesDep,
    evaluator: Annotated[Evaluator, Query(description="how importance is measured")] = "ped_anova",
    target: Annotated[
        ImportanceTarget, Query(description="what parameters may matter for")
    ] = "value",
) -> Response:
    """How much each parameter decides; empty, with a note, where the trials cannot tell."""
    with services.database.read() as session:
        reader = StudyReader(services, session, study_id)
        return json_response(reader.importances(evaluator, target))
