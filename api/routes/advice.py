"""What a study's trials tell of its space: findings and importances."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.lru import Latest
from api.parameters import Id
from api.responses import json_response
from api.services import Services, ServicesDep
from hpsearch.service.diagnosis import diagnose, measure_importances
from hpsearch.spec.wire.advice import Diagnosis, Evaluator, Importances, Target
from hpsearch.store import figure_points

router = APIRouter(tags=["advice"])

_DIAGNOSES: Latest[Diagnosis] = Latest(100)
_IMPORTANCES: Latest[Importances] = Latest(100)
"""Both kept under `points.mark`, which changes when their study does."""

ChosenEvaluator = Annotated[Evaluator, Query(description="how importance is measured")]
ChosenTarget = Annotated[Target, Query(description="what parameters may matter for")]


@router.get("/studies/{study_id:int}/diagnosis", response_model=Diagnosis)
def diagnosis(study_id: Id, services: ServicesDep) -> Response:
    """Ranges at an end of which the best trials lie, and parameters that make no difference."""
    return json_response(known_diagnosis(services, study_id))


def known_diagnosis(services: Services, study_id: int) -> Diagnosis:
    """A diagnosis, made once while its study stays as it is."""
    with services.database.read() as session:
        mark = (services.database.shown_url, *figure_points.fingerprint(session, study_id))
        return _DIAGNOSES.get(mark, lambda: diagnose(session, study_id))


@router.get("/studies/{study_id:int}/importances", response_model=Importances)
def importances(
    study_id: Id,
    services: ServicesDep,
    evaluator: ChosenEvaluator = "ped_anova",
    target: ChosenTarget = "value",
) -> Response:
    """How much each parameter decides; empty, with a note, where the trials cannot tell."""
    return json_response(known_importances(services, study_id, evaluator, target))


def known_importances(
    services: Services, study_id: int, evaluator: Evaluator, target: Target
) -> Importances:
    """Importances, measured once while their study stays as it is."""
    with services.database.read() as session:
        mark = (
            services.database.shown_url,
            *figure_points.fingerprint(session, study_id),
            evaluator,
            target,
        )
        return _IMPORTANCES.get(
            mark, lambda: measure_importances(session, study_id, evaluator, target)
        )
