"""External studies: ask for trials, report their epochs, complete them."""

from __future__ import annotations

from fastapi import APIRouter, Response

from api.idempotent_requests import IdempotentDep
from api.parameters import Id, Number
from api.services import ServicesDep
from hpsearch.spec.wire.jobs import (
    AskRequest,
    TrialCompletion,
    TrialDecision,
    TrialList,
    TrialReport,
)
from hpsearch.spec.wire.records import Trial

router = APIRouter(tags=["external studies"])


@router.post("/studies/{study_id:int}:ask", response_model=TrialList)
def ask(
    study_id: Id, request: AskRequest, idempotent: IdempotentDep, services: ServicesDep
) -> Response:
    """Up to `count` trials to train."""
    return idempotent.run(lambda session: services.tuner.ask(session, study_id, request))


@router.post("/studies/{study_id:int}/trials/{number:int}:report", response_model=TrialDecision)
def report(
    study_id: Id,
    number: Number,
    report: TrialReport,
    idempotent: IdempotentDep,
    services: ServicesDep,
) -> Response:
    """Stores an epoch of a trial that was asked for."""
    return idempotent.run(
        lambda session: services.tuner.report_trial(session, study_id, number, report)
    )


@router.post("/studies/{study_id:int}/trials/{number:int}:complete", response_model=Trial)
def complete(
    study_id: Id,
    number: Number,
    end: TrialCompletion,
    idempotent: IdempotentDep,
    services: ServicesDep,
) -> Response:
    """Ends a trial that was asked for."""
    return idempotent.run(
        lambda session: services.tuner.complete_trial(session, study_id, number, end)
    )
