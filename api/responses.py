"""How a handler answers: with a record as JSON, or with a stored file."""

from __future__ import annotations

from fastapi import Response
from fastapi.responses import FileResponse
from pydantic import BaseModel

from api.services import Services
from hpsearch.errors import CorruptArtifact
from hpsearch.store.checkpoints import StoredArtifact


def json_response(record: BaseModel, status: int = 200) -> Response:
    """A record as JSON; NaN and ±inf travel as strings."""
    return Response(record.model_dump_json(), status, media_type="application/json")


def artifact_response(
    services: Services, stored: StoredArtifact, name: str, noun: str, remedy: str
) -> Response:
    """An artifact's bytes; `X-Content-Sha256` says what they must hash to.

    Args:
        services: whose artifact store holds the file.
        stored: key, size and hash of the file.
        name: what a browser calls the download.
        noun: what an error calls it.
        remedy: what to do when the file is damaged.

    Raises:
        CorruptArtifact: when the file is missing, or of another size.
    """
    path = services.artifacts.path(stored.key)
    if not path.is_file() or path.stat().st_size != stored.size_bytes:
        raise CorruptArtifact(
            f"{noun} must have a whole file, and {stored.key} is missing or truncated; {remedy}"
        )
    return FileResponse(
        path,
        media_type="application/octet-stream",
        filename=name,
        headers={"X-Content-Sha256": stored.sha256},
    )
