"""What every handler works with, made once when the server starts."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from api.caches import StudyCaches
from hpsearch.service.tuner import Tuner
from hpsearch.store.artifacts import ArtifactStore
from hpsearch.store.database import Database


@dataclass(frozen=True)
class Services:
    """The database, the artifact store, the use cases and the server's settings."""

    database: Database
    artifacts: ArtifactStore
    tuner: Tuner
    token: str
    lease_seconds: float
    max_dataset_bytes: int
    instance: str = field(default_factory=lambda: secrets.token_hex(8))
    """This run of the server, by which programs tell it from another one at its address."""
    caches: StudyCaches = field(default_factory=StudyCaches)


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(_services)]
