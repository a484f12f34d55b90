"""What the service says of itself, open to all: is it alive, and can it work."""

from __future__ import annotations

from fastapi import APIRouter, Response

from api.responses import json_response
from api.services import ServicesDep
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
    return json_response(Health(status="ok", version=VERSION))


@router.get("/readyz", response_model=Health)
def readyz(services: ServicesDep) -> Response:
    """The database answers too."""
    services.database.ping()
    return json_response(Health(status="ok", version=VERSION))
