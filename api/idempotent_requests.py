"""How a handler reads a body, changes something once, and answers.

`Changes` is what makes every POST repeatable: the change and the answer under its Idempotency-Key
are one transaction, so a repeat gets the first answer and changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Header, Path, Request, Response
from pydantic import BaseModel
from sqlalchemy.orm import Session

from api.services import Served
from hpsearch.store import idempotency

Id = Annotated[int, Path(ge=1, le=2**31 - 1)]
Number = Annotated[int, Path(ge=0, le=2**31 - 1)]
IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=200,
        description="A repeat with the same key gets the first answer and changes nothing.",
    ),
]


async def _body(request: Request) -> bytes:
    return await request.body()


Body = Annotated[bytes, Depends(_body)]


def answer(record: BaseModel, status: int = 200, **headers: str) -> Response:
    """A record as JSON."""
    return Response(record.model_dump_json(), status, headers, media_type="application/json")


class Changes:
    """Runs a POST's change in one transaction with the memory of its answer."""

    def __init__(
        self,
        request: Request,
        services: Served,
        body: Body,
        idempotency_key: IdempotencyKey = None,
    ) -> None:
        self._database = services.database
        self._key = idempotency_key
        address = request.url.replace(scheme="", netloc="")  # A server may be known by many names.
        self._fingerprint = hashlib.sha256(
            b"\n".join((f"{request.method} {address}".encode(), body))
        ).hexdigest()

    def __call__(self, change: Callable[[Session], BaseModel], status: int = 200) -> Response:
        """The answer to the change, made now or when its key was first used."""
        with self._database.write() as session:
            if self._key is not None:
                before = idempotency.claim(session, self._key, self._fingerprint)
                if before is not None:
                    return Response(
                        before, status, {"Idempotent-Replay": "true"}, "application/json"
                    )
            text = change(session).model_dump_json()
            if self._key is not None:
                idempotency.keep(session, self._key, text)
        return Response(text, status, media_type="application/json")


OneChange = Annotated[Changes, Depends(Changes)]
