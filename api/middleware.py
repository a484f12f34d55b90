"""What wraps every request: an id to find it by, and bounds on its address and body."""

from __future__ import annotations

import secrets
from http import HTTPStatus

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import problem

MAX_FILE_BYTES = 1 << 30
"""The largest checkpoint; files come by PUT."""

MAX_BODY_BYTES = 1 << 26
"""Everything else."""

UPLOADS = ("/api/v1/datasets", "/api/v1/datasets:inspect")
"""Where data sets come by POST; `HPSEARCH_MAX_DATASET_BYTES` bounds them."""

FORM_BYTES = 1 << 20
"""What a form may have around its file."""

MAX_PATH_LENGTH = 2000
"""Characters of an address, without its query."""


class RequestEnvelope:
    """Names each request and refuses what is too large to be meant."""

    def __init__(self, app: ASGIApp, max_dataset_bytes: int) -> None:
        self.app = app
        self._max_upload_bytes = max_dataset_bytes + FORM_BYTES

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", request_id.encode()),
                    (b"x-content-type-options", b"nosniff"),
                ]
            await send(message)

        request = Request(scope, receive)
        allowed = self._allowed(request)
        too_large = f"a body must have at most {allowed} bytes, got more; send less"
        received = 0

        async def receive_bounded() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > allowed:
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, too_large)
            return message

        refusal = None
        length = request.headers.get("content-length", "0")
        if len(scope["path"]) > MAX_PATH_LENGTH:
            refusal = problem(
                request,
                HTTPStatus.REQUEST_URI_TOO_LONG,
                "address_too_long",
                f"an address must have at most {MAX_PATH_LENGTH} characters; see /docs",
            )
        elif length.isdecimal() and (len(length) > 18 or int(length) > allowed):
            status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            refusal = problem(request, status, "body_too_large", too_large)
        await (refusal or self.app)(scope, receive_bounded, send_named)

    def _allowed(self, request: Request) -> int:
        """The largest body of a request."""
        if request.method == "PUT":
            return MAX_FILE_BYTES
        is_upload = request.method == "POST" and request.url.path in UPLOADS
        return self._max_upload_bytes if is_upload else MAX_BODY_BYTES
