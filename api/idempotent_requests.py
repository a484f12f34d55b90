"""How a handler changes something once, however often the request for it comes.

The change and the memory of its answer under the request's Idempotency-Key are one transaction, so
a repeat gets the first answer and changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Depends, Header, Request, Response
from pydantic import BaseModel
from sqlalchemy.orm import Session

from api.parameters import Body
from api.services import ServicesDep
from hpsearch.store import idempotency

R = TypeVar("R", bound=BaseModel)

IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=200,
        description="A repeat with the same key gets the first answer and changes nothing.",
    ),
]


@dataclass(frozen=True)
class HeadersOf(Generic[R]):
    """Headers that follow from the record in an answer; a repeat gets them too."""

    record: type[R]
    headers: Callable[[R], Mapping[str, str]]


class IdempotentRequest:
    """A request that changes something; a handler runs its change by `run`."""

    def __init__(
        self,
        request: Request,
        services: ServicesDep,
        body: Body,
        idempotency_key: IdempotencyKey = None,
    ) -> None:
        self._database = services.database
        self._key = idempotency_key
        address = request.url.replace(scheme="", netloc="")  # A server may be known by many names.
        self._fingerprint = hashlib.sha256(
            b"\n".join((f"{request.method} {address}".encode(), body))
        ).hexdigest()

    def run(
        self,
        change: Callable[[Session], R],
        status: int = 200,
        headers_of: HeadersOf[R] | None = None,
    ) -> Response:
        """The answer to the change, made now or when its key was first used.

        Args:
            change: makes the change in the session's transaction and returns the answer's record.
            status: of the answer.
            headers_of: headers that depend on the record.

        Raises:
            IdempotencyMismatch: when the key was used for another request.
        """
        headers: dict[str, str] = {}
        with self._database.write() as session:
            if self._key is not None:
                text = idempotency.claim(session, self._key, self._fingerprint)
                if text is not None:
                    headers["Idempotent-Replay"] = "true"
                    if headers_of is not None:
                        headers |= headers_of.headers(headers_of.record.model_validate_json(text))
                    return _json(text, status, headers)
            record = change(session)
            text = record.model_dump_json()
            if self._key is not None:
                idempotency.set_answer(session, self._key, text)
        if headers_of is not None:
            headers |= headers_of.headers(record)
        return _json(text, status, headers)


def _json(text: str, status: int, headers: Mapping[str, Any]) -> Response:
    return Response(text, status, dict(headers), media_type="application/json")


IdempotentDep = Annotated[IdempotentRequest, Depends(IdempotentRequest)]
