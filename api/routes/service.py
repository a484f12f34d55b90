"""What the service says of itself, open to all: is it alive, and can it work."""

from __future__ import annotations

from fastapi import APIRouter, Response

from api.responses import json_response
from api.services import Services, ServicesDep
from hpsearch.spec.language.base import Record
from hpsearch.version import VERSION

router = APIRouter(tags=["service"])


class Health(Record):
    """How the service is."""

    status: str
    version: str
    instance: str
    """The run of the server that answers; the next one has another."""


@router.get("/healthz", response_model=Health)
def healthz(services: ServicesDep) -> Response:
    """The process answers."""
    return json_response(_health(services))


@router.get("/readyz", response_model=Health)
def readyz(services: ServicesDep) -> Response:
    """The database answers too."""
    services.database.ping()
    return json_response(_health(services))


def _health(services: Services) -> Health:
    return Health(status="ok", version=VERSION, instance=services.instance)
