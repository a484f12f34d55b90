"""What all pages share: templates, their Content-Security-Policy, and authentication.

A request for a page without the cookie is redirected to `/login`. `?token=` in any page's address
signs the browser in, and is removed from the address at once.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from pathlib import Path
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.datastructures import URL

from api.auth import has_cookie, is_token, set_cookie
from api.dashboard import formatting, static
from api.errors import status_of
from api.services import Services
from hpsearch.errors import HpsearchError
from hpsearch.spec.language.messages import format_spec
from hpsearch.version import VERSION

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",  # Plotly writes styles
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}

_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters |= {
    "code": formatting.code,
    "number": formatting.number,
    "signed": formatting.signed,
    "fixed": formatting.fixed,
    "signed_fixed": formatting.signed_fixed,
    "percent": formatting.percent,
    "duration": formatting.duration,
    "size": formatting.size,
    "moment": formatting.moment,
    "yaml": formatting.as_yaml,
    "flow": format_spec,
}
_templates.globals |= {
    "between": formatting.between,
    "query": formatting.query,
    "version": VERSION,
}


def render(template: str, status: int = HTTPStatus.OK, **values: Any) -> HTMLResponse:
    """A template filled in; every value is escaped."""
    text = _templates.get_template(template).render(
        static=f"/static/{static.fingerprint()}", plotly=static.plotly_address(), **values
    )
    return HTMLResponse(text, status, HEADERS)


class Page(APIRoute):
    """A route that answers with a page, also when something is wrong."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler behind the public_router."""
        handle = super().get_route_handler()

        async def authenticated(request: Request) -> Response:
            services: Services = request.app.state.services
            token = request.query_params.get("token")
            if token is not None and request.method == "GET":
                return _sign_in_by_token(request, services, token)
            if not has_cookie(request, services):
                address = URL(str(request.url)).replace(scheme="", netloc="")
                return _to_login(str(address))
            try:
                return await handle(request)
            except HpsearchError as error:
                status = status_of(error)
                return render("error.html", status, title=status.phrase, detail=str(error))
            except RequestValidationError:
                return render(
                    "error.html",
                    HTTPStatus.NOT_FOUND,
                    title="Not found",
                    detail=f"no such page: {request.url.path[:200]}; go back to the studies",
                )

        return authenticated


def _sign_in_by_token(request: Request, services: Services, token: str) -> Response:
    """A redirect to the address without its token, and a cookie in the token's place."""
    bare = URL(str(request.url)).remove_query_params("token").replace(scheme="", netloc="")
    if not is_token(token, services):
        return _to_login(str(bare), wrong=True)
    response = RedirectResponse(own_path(str(bare)), HTTPStatus.SEE_OTHER, HEADERS)
    set_cookie(request, response, services)
    return response


def _to_login(then: str, *, wrong: bool = False) -> Response:
    address = "/login" + formatting.query({"next": own_path(then), "wrong": "1" if wrong else None})
    return RedirectResponse(address, HTTPStatus.SEE_OTHER, HEADERS)


def own_path(address: str) -> str:
    """The address where it is a path on this server, else that of the studies."""
    inside = address.startswith("/") and not address.startswith(("//", "/\\"))
    return address if inside else "/studies"
