"""Who may ask: programs carry the bearer token, browsers a cookie made from it.

The cookie's name and value follow from the token, so that two servers on one host do not take
each other's for theirs and the token itself is not left in the browser. A browser sends cookies
along whoever wrote the page, so a request that changes something must come from our own pages.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from urllib.parse import urlsplit

from fastapi import Request, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from api.errors import hpsearch_problem
from api.services import Services
from hpsearch.errors import Unauthorized

COOKIE_SECONDS = 30 * 24 * 3600
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


class AuthMiddleware:
    """Refuses a request to the API that does not carry the token, before its body is read."""

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self.app = app
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers 401, or passes the request on."""
        if scope["type"] == "http" and scope["path"].startswith("/api/"):
            request = Request(scope)
            try:
                require_token(request, self._services)
            except Unauthorized as error:
                await hpsearch_problem(request, error)(scope, receive, send)
                return
        await self.app(scope, receive, send)


def require_token(request: Request, services: Services) -> None:
    """Checks that a request carries the token, by header or by cookie.

    Raises:
        Unauthorized: when it does not.
    """
    if "Authorization" in request.headers:
        _check_bearer(request.headers["Authorization"], services)
    elif not has_cookie(request, services):
        raise Unauthorized(
            "a request must carry the server's token, got none; send "
            "`Authorization: Bearer <token>`, the token is in <data dir>/token on the server"
        )
    elif not _from_own_page(request):
        raise Unauthorized(
            "a change asked for with a cookie must come from the dashboard's own pages, got one "
            "from elsewhere; send `Authorization: Bearer <token>` instead"
        )


def is_token(token: str, services: Services) -> bool:
    """Whether a token is the server's."""
    return secrets.compare_digest(token.strip().encode(), services.token.encode())


def has_cookie(request: Request, services: Services) -> bool:
    """Whether a browser has shown the token before."""
    value = request.cookies.get(_cookie_name(services), "")
    return secrets.compare_digest(value.encode(), _cookie_value(services).encode())


def set_cookie(request: Request, response: Response, services: Services) -> None:
    """Signs a browser in for `COOKIE_SECONDS`."""
    response.set_cookie(
        _cookie_name(services),
        _cookie_value(services),
        max_age=COOKIE_SECONDS,
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )


def delete_cookie(response: Response, services: Services) -> None:
    """Signs a browser out."""
    response.delete_cookie(_cookie_name(services), httponly=True, samesite="lax")


def _check_bearer(header: str, services: Services) -> None:
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthorized(
            "a request must carry the server's token as `Authorization: Bearer <token>`, got "
            "another scheme; the token is in <data dir>/token on the server"
        )
    if not is_token(token, services):
        raise Unauthorized(
            "a request must carry the server's token, got another; "
            "the right one is in <data dir>/token on the server"
        )


def _from_own_page(request: Request) -> bool:
    """Whether a request is safe, or a browser vouches that our own page made it."""
    if request.method in _SAFE_METHODS:
        return True
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("Origin", "")
    return urlsplit(origin).netloc == request.headers.get("Host")


def _cookie_name(services: Services) -> str:
    return "hpsearch_" + hashlib.sha256(b"name " + services.token.encode()).hexdigest()[:8]


def _cookie_value(services: Services) -> str:
    return hmac.new(services.token.encode(), b"dashboard", hashlib.sha256).hexdigest()
