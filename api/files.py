"""How a stored file is answered."""

from __future__ import annotations

from fastapi import Response
from fastapi.responses import FileResponse

from api.services import Services
from hpsearch.errors import CorruptArtifact
from hpsearch.store.checkpoints import StoredArtifact


def file_answer(
    services: Services, stored: StoredArtifact, name: str, noun: str, remedy: str
) -> Response:
    """An artifact's bytes; `X-Content-Sha256` says what they must be.

    Args:
        services: where it lies.
        stored: which one.
        name: what a browser calls it.
        noun: what an error calls it.
        remedy: what to do when it is not whole.

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
