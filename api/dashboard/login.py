"""What a browser sees without the token: signing in and out, and the page of the API."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from api.auth import delete_cookie, has_cookie, is_token, set_cookie
from api.dashboard.reference import operations
from api.dashboard.rendering import HEADERS, own_path, render
from api.services import ServicesDep
from hpsearch.reference.catalogue import sections

public_router = APIRouter(include_in_schema=False)

Text = Annotated[str, Query(max_length=500)]


@public_router.get("/docs")
def docs(request: Request, services: ServicesDep) -> HTMLResponse:
    """Every request and answer, and what a study may name."""
    return render(
        "docs.html",
        groups=operations(request.app.openapi()),
        catalogue=list(sections()),
        signed_in=has_cookie(request, services),
    )


@public_router.get("/login")
def login_form(request: Request, wrong: Text = "") -> HTMLResponse:
    """Asks for the token."""
    then = own_path(request.query_params.get("next", "/studies"))
    return render("login.html", then=then, wrong=bool(wrong))


@public_router.post("/login")
def login(
    request: Request,
    services: ServicesDep,
    token: Annotated[str, Form(max_length=500)],
    then: Annotated[str, Form(max_length=2000)] = "/studies",
) -> Response:
    """Signs a browser in that sends the token."""
    if not is_token(token, services):
        return render("login.html", HTTPStatus.FORBIDDEN, then=own_path(then), wrong=True)
    response = RedirectResponse(own_path(then), HTTPStatus.SEE_OTHER, HEADERS)
    set_cookie(request, response, services)
    return response


@public_router.post("/logout")
def logout(services: ServicesDep) -> Response:
    """Signs a browser out."""
    response = RedirectResponse("/login", HTTPStatus.SEE_OTHER, HEADERS)
    delete_cookie(response, services)
    return response
