"""The bearer token: every request under /api carries it."""

from __future__ import annotations

import secrets

from fastapi import Request

from api.services import Served
from hpsearch.errors import Unauthorized


def require_token(request: Request, services: Served) -> None:
    """Lets a request pass that knows the token.

    Raises:
        Unauthorized: when the token is missing or wrong.
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthorized(
            "a request must carry the server's token, got none; send "
            "`Authorization: Bearer <token>`, the token is in <data dir>/token on the server"
        )
    if not secrets.compare_digest(token.strip().encode(), services.token.encode()):
        raise Unauthorized(
            "a request must carry the server's token, got another; "
            "the right one is in <data dir>/token on the server"
        )
