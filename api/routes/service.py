"""What the service says of itself, open to all: is it alive, and can it work."""

from __future__ import annotations

from fastapi import APIRouter, Response

from api.idempotent_requests import answer
from api.services import Served
from hpsearch.spec.language.base import Record
from hpsearch.version import VERSION

router = APIRouter(tags=["service"])


class Health(Record):
    """How the service is."""

    status: str
    version: str


@router.get("/healthz", response_model=Health)
def healthz() -> Response:
    """The process answers."""
    return answer(Health(status="ok", version=VERSION))


@router.get("/readyz", response_model=Health)
def readyz(services: Served) -> Response:
    """The database answers too."""
    services.database.ping()
    return answer(Health(status="ok", version=VERSION))
