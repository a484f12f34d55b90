"""Scripts and styles: our own, under an address that changes with them, and Plotly's own.

What has its fingerprint or version in its address may be cached by a browser for ever.
"""

from __future__ import annotations

import gzip
import hashlib
from functools import lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from fastapi import APIRouter, Request, Response

from hpsearch.errors import CannotStart, NotFound

router = APIRouter(include_in_schema=False)

_OWN = Path(__file__).parent / "static"
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_FOR_EVER = "public, max-age=31536000, immutable"


@lru_cache(maxsize=1)
def fingerprint() -> str:
    """A hash of the content of all our own files, 12 hexadecimal digits."""
    digest = hashlib.sha256()
    for path in sorted(_OWN.iterdir()):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def plotly_address() -> str:
    """The address at which this server serves Plotly."""
    return f"/static/plotly-{version('plotly')}.min.js"


@router.get("/static/{mark}/{name}")
def own_file(mark: str, name: str) -> Response:
    """One of our own files."""
    files = {path.name: path for path in _OWN.iterdir() if path.suffix in _TYPES}
    if name not in files:
        raise NotFound(f"a file must exist to be sent, and there is no {name[:60]!r}; see /")
    cache_control = _FOR_EVER if mark == fingerprint() else "no-cache"
    return Response(
        files[name].read_bytes(),
        media_type=_TYPES[files[name].suffix],
        headers={"Cache-Control": cache_control},
    )


@router.get("/static/plotly-{_version}.min.js")
def plotly(request: Request, _version: str) -> Response:
    """Plotly's bundle for browsers, as its wheel ships it."""
    headers = {"Cache-Control": _FOR_EVER, "Vary": "Accept-Encoding"}
    gzipped = "gzip" in request.headers.get("Accept-Encoding", "")
    if gzipped:
        headers["Content-Encoding"] = "gzip"
    return Response(_plotly_bundle(gzipped=gzipped), media_type="text/javascript", headers=headers)


@lru_cache(maxsize=2)
def _plotly_bundle(*, gzipped: bool) -> bytes:
    package = find_spec("plotly")
    if package is None or not package.submodule_search_locations:
        raise CannotStart("the dashboard needs plotly; install hpsearch[server]")
    bundle = Path(package.submodule_search_locations[0]) / "package_data" / "plotly.min.js"
    content = bundle.read_bytes()
    return gzip.compress(content, 6) if gzipped else content
