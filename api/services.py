"""What a request works with, made once at start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from hpsearch.service.ensembles import Combiner
from hpsearch.service.tuner import Tuner
from hpsearch.store.artifacts import ArtifactStore
from hpsearch.store.database import Database


@dataclass(frozen=True)
class Services:
    """The store, the rules and the terms."""

    database: Database
    artifacts: ArtifactStore
    tuner: Tuner
    combiner: Combiner
    token: str
    lease_seconds: float
    max_dataset_bytes: int


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


Served = Annotated[Services, Depends(_services)]
