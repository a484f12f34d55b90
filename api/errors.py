"""One table from exception to RFC 9457 problem: nothing a person does ends in a traceback."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic_core import ErrorDetails
from starlette.exceptions import HTTPException

from hpsearch import errors
from hpsearch.errors import FieldError, HpsearchError, InvalidInput
from hpsearch.optional import MissingPackage
from hpsearch.spec.language.messages import MAX_ERRORS, path_of, sentence
from hpsearch.spec.wire.records import FieldProblem, ProblemDetails

PROBLEM_JSON = "application/problem+json"

STATUSES: Mapping[type[HpsearchError], HTTPStatus] = {
    errors.InvalidInput: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.Unauthorized: HTTPStatus.UNAUTHORIZED,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.CorruptArtifact: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.StorageFull: HTTPStatus.INSUFFICIENT_STORAGE,
    errors.DatabaseUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    MissingPackage: HTTPStatus.NOT_IMPLEMENTED,
    HpsearchError: HTTPStatus.INTERNAL_SERVER_ERROR,
}
"""By class; the nearest ancestor counts."""

_UNREADABLE = (
    "the body must be JSON that can be read, and this cannot; check its encoding (UTF-8) and how "
    "deep it is nested"
)

logger = logging.getLogger("hpsearch.api")


def install(app: FastAPI) -> None:
    """Makes the app answer every exception with a problem."""
    app.add_exception_handler(HpsearchError, hpsearch_problem)
    app.add_exception_handler(RequestValidationError, _validation_problem)
    app.add_exception_handler(HTTPException, _http_problem)
    app.add_exception_handler(Exception, _unexpected_problem)


def status_of(error: HpsearchError) -> HTTPStatus:
    """The status of an error's answer."""
    return next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)


def problem(
    request: Request,
    status: HTTPStatus,
    code: str,
    detail: str,
    fields: tuple[FieldError, ...] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The answer to a request that failed."""
    body = ProblemDetails(
        type=f"urn:hpsearch:problem:{code}",
        title=status.phrase,
        status=status,
        code=code,
        detail=detail,
        request_id=request.state.request_id,
        errors=[FieldProblem(path=field.path, message=field.message) for field in fields],
    )
    return Response(
        body.model_dump_json(), status, media_type=PROBLEM_JSON, headers=dict(headers or {})
    )


def hpsearch_problem(request: Request, error: Exception) -> Response:
    """The problem that one of our own exceptions is."""
    assert isinstance(error, HpsearchError)  # noqa: S101 (registered for nothing else)
    status = status_of(error)
    headers = {}
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = "1"
    fields = error.errors if isinstance(error, InvalidInput) else ()
    return problem(request, status, error.code, str(error), fields, headers)


def _validation_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 (registered for nothing else)
    fields = tuple(_field(item) for item in error.errors()[:MAX_ERRORS])
    return hpsearch_problem(request, InvalidInput(fields))


def _field(item: ErrorDetails) -> FieldError:
    if item["type"] == "json_invalid":
        return FieldError("", f"the body must be JSON: {item.get('ctx', {}).get('error', '')}")
    if isinstance(item["input"], bytes):
        return FieldError(
            "", "the body must be sent as JSON; send it with Content-Type: application/json"
        )
    if item["type"] == "missing" and item["loc"] == ("body",):
        return FieldError("", "a body is required; send it as JSON")
    return FieldError(path_of({**item, "loc": tuple(item["loc"])[1:]}), sentence(item))


def _http_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 (registered for nothing else)
    status = HTTPStatus(error.status_code)
    details = {
        HTTPStatus.NOT_FOUND: f"no such address: {request.url.path}; see /docs for those there are",
        HTTPStatus.METHOD_NOT_ALLOWED: f"{request.method} is not possible at {request.url.path}; "
        "see /docs",
    }
    if error.detail == "There was an error parsing the body":  # FastAPI's words for it
        return hpsearch_problem(request, InvalidInput.at("", _UNREADABLE))
    code = status.phrase.lower().replace(" ", "_")
    return problem(
        request, status, code, details.get(status, str(error.detail)), headers=error.headers
    )


def _unexpected_problem(request: Request, error: Exception) -> Response:
    logger.error("request %s failed", request.state.request_id, exc_info=error)
    return problem(
        request,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "internal_error",
        f"the server failed at this request; its log tells why under {request.state.request_id}",
    )
