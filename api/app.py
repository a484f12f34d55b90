"""The application: routes, errors, and the housekeeping that runs beside them."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api import errors
from api.auth import AuthMiddleware
from api.dashboard import login, pages, static
from api.housekeeping import run_housekeeping
from api.middleware import RequestEnvelope
from api.routes import routers, service, studies
from api.services import Services
from hpsearch.processes.discovery import ensure_token
from hpsearch.service.context import ServiceContext
from hpsearch.service.tuner import Tuner
from hpsearch.settings import Settings
from hpsearch.store import leases
from hpsearch.store.artifacts import ArtifactStore
from hpsearch.store.database import Database
from hpsearch.version import VERSION

HOUSEKEEPING_SECONDS = 2.0


def create_app(settings: Settings) -> FastAPI:
    """A server's application on an up-to-date database.

    Raises:
        CannotStart, DatabaseUnavailable: with what to change.
    """
    services = make_services(settings)
    app = FastAPI(
        title="hpsearch",
        version=VERSION,
        docs_url=None,  # the dashboard has a page of its own, without scripts from elsewhere
        redoc_url=None,
        lifespan=_lifespan(services, min(HOUSEKEEPING_SECONDS, settings.lease_seconds / 5)),
    )
    app.state.services = services
    app.state.closing = threading.Event()
    errors.install(app)
    app.add_middleware(AuthMiddleware, services=services)
    app.add_middleware(RequestEnvelope, max_dataset_bytes=settings.max_dataset_bytes)
    for router in routers():
        app.include_router(router, prefix="/api/v1")
    app.include_router(service.router)
    app.include_router(login.public_router)
    app.include_router(pages.router)
    app.include_router(static.router)
    app.openapi = _openapi(app)  # type: ignore[method-assign]
    return app


def make_services(settings: Settings) -> Services:
    """Opens the store and brings it to this version's form."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    database = Database(settings.resolved_database_url)
    database.upgrade()
    artifacts = ArtifactStore(settings.artifacts_dir)
    tuner = Tuner(ServiceContext(artifacts, settings.lease_seconds, settings.max_attempts))
    token = ensure_token(settings.data_dir, settings.token)
    with database.write() as session:
        leases.renew_all(session, settings.lease_seconds)
    return Services(
        database,
        artifacts,
        tuner,
        token,
        settings.lease_seconds,
        settings.max_dataset_bytes,
    )


def _lifespan(
    services: Services, seconds: float
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        stopping = threading.Event()
        housekeeping = threading.Thread(
            target=run_housekeeping,
            args=(services.database, services.tuner, seconds, stopping),
            name="housekeeping",
            daemon=True,
        )
        housekeeping.start()
        yield
        stopping.set()
        housekeeping.join(timeout=5)
        services.database.close()

    return lifespan


def _openapi(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """The OpenAPI document, with the schema of a spec, which handlers read from the raw body."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(title=app.title, version=app.version, routes=app.routes)
            spec = studies.spec_schema()
            components = schema.setdefault("components", {}).setdefault("schemas", {})
            components.update(spec.pop("$defs", {}))
            components["StudySpec"] = spec
            app.openapi_schema = schema
        return app.openapi_schema

    return document
