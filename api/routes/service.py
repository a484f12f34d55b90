"""What the service says of itself, open to all: is it alive, can it work, and a first page."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse

from api.requests import answer
from api.services import Served
from hpsearch.spec.base import Record
from hpsearch.version import VERSION

router = APIRouter(tags=["service"])

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>hpsearch</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem}}
code{{font:14px ui-monospace,monospace}}</style>
<h1>hpsearch {version}</h1>
<p>The service is up. Submit a study with <code>hpsearch submit study.yaml --watch</code>,
list studies with <code>hpsearch studies</code>.</p>
<p><a href="/docs">Every request and answer</a></p>
</html>
"""


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


@router.get("/", response_class=HTMLResponse)
def front() -> HTMLResponse:
    """What to do first."""
    return HTMLResponse(PAGE.format(version=VERSION))
