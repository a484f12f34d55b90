"""HTTP to the server: retries transient failures and turns problem answers back into exceptions.

A POST carries an Idempotency-Key of its own, the same at each retry, so that a retry after a lost
answer changes nothing twice.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

import httpx2
import stamina
from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

from hpsearch import errors
from hpsearch.client.server_address import find_server
from hpsearch.errors import (
    FieldError,
    HpsearchError,
    InvalidInput,
    ServerRefused,
    ServerUnreachable,
)
from hpsearch.spec.wire.records import ProblemDetails

Answer = TypeVar("Answer", bound=BaseModel)
Result = TypeVar("Result")

API = "/api/v1"

QUESTIONS = (":preview", ":inspect", ":predict")
"""How paths end whose POST changes nothing that people keep."""

BLOCK_BYTES = 1 << 20

UPLOAD_SECONDS = 600.0
"""How long a server may take to read through an uploaded file."""

_ERROR_BY_CODE: Mapping[str, type[HpsearchError]] = {
    error.code: error
    for error in (
        errors.NotFound,
        errors.Conflict,
        errors.IllegalTransition,
        errors.StaleLease,
        errors.ReportGap,
        errors.IdempotencyMismatch,
        errors.VersionMismatch,
        errors.Unauthorized,
        errors.StorageFull,
        errors.DatabaseUnavailable,
        errors.CorruptArtifact,
        errors.ServerFault,
    )
}

TRANSIENT_ERRORS = (ServerUnreachable, errors.DatabaseUnavailable, errors.ServerFault)
"""Failures that may be over at the next attempt: these are retried."""


class Transport:
    """A connection to one server; every request is retried while its failures are transient.

    Args:
        url: the server's address; None reads HPSEARCH_SERVER, then looks for a server of this
            machine, see `find_server`.
        token: its token; None reads HPSEARCH_TOKEN, then the token in that server's data directory.
        patience_seconds: for how long a request is retried, 0 for a single attempt.
        timeout_seconds: how long one answer may take.

    Raises:
        InvalidInput: for an address or a token that cannot be one; where no address is given and
            several servers run here of which none is clearly meant.
        HpsearchError: from every request, of the class that the server's problem answer names by
            its code (NotFound, Conflict, InvalidInput, ...); ServerUnreachable where no server
            answers, ServerRefused where something other than hpsearch does.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        patience_seconds: float = 5.0,
        timeout_seconds: float = 60.0,
    ) -> None:
        address = find_server(url, token)
        self.url, self.token, self.data_dir = address.url, address.token, address.data_dir
        self.on_write: Callable[[], object] | None = None
        """Called once, when the server has taken the first change."""
        self.patience_seconds = patience_seconds
        if self.token and not (self.token.isascii() and self.token.isprintable()):
            raise InvalidInput.at(
                "token",
                "must be of printable ASCII characters alone; copy it from <data dir>/token on the "
                "server",
            )
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        try:
            self._http = httpx2.Client(
                base_url=self.url, headers=headers, timeout=timeout_seconds, trust_env=False
            )
        except httpx2.InvalidURL as error:
            raise InvalidInput.at(
                "server", f"must be an address such as http://host:8470, got {url!r}: {error}"
            ) from None

    def get(self, path: str, answer: type[Answer], **query: Any) -> Answer:
        """Reads the record at a path under the API; query parameters that are None are left out."""
        return self._validated(answer, self._send("GET", path, params=query))

    def post(
        self,
        path: str,
        answer: type[Answer],
        body: BaseModel | Mapping[str, Any] | bytes | None = None,
        *,
        repeatable: bool = False,
        idempotency_key: str | None = None,
        method: Literal["POST", "PATCH"] = "POST",
    ) -> Answer:
        """Asks for a change and returns the server's answer.

        Args:
            path: under the API.
            answer: the record that the server answers with.
            body: the request's JSON.
            repeatable: the change has the same outcome when made twice, and needs no key.
            idempotency_key: a key of the caller's own; None makes a random one.
            method: PATCH for a change of fields.
        """
        headers = {"Content-Type": "application/json"}
        if not repeatable:
            headers["Idempotency-Key"] = idempotency_key or secrets.token_urlsafe(16)
        content: bytes | None
        if isinstance(body, BaseModel):
            content = body.model_dump_json().encode()
        elif isinstance(body, Mapping):
            content = to_json(body, inf_nan_mode="constants")
        else:
            content = body
        return self._validated(answer, self._send(method, path, content=content, headers=headers))

    def put(
        self, path: str, answer: type[Answer], content: bytes, sha256: str, **query: Any
    ) -> Answer:
        """Sends a file's content with its sha256, which the server checks."""
        headers = {"Content-Type": "application/octet-stream", "X-Content-Sha256": sha256}
        return self._validated(
            answer, self._send("PUT", path, content=content, params=query, headers=headers)
        )

    def delete(self, path: str, **query: Any) -> None:
        """Removes what lies at a path; query parameters that are None are left out."""
        self._send("DELETE", path, params=query)

    def download(self, path: str) -> tuple[bytes, str]:
        """Returns a file's content and the sha256 that the server names for it, unchecked."""
        response = self._send("GET", path)
        return response.content, response.headers.get("X-Content-Sha256", "")

    def download_to(self, path: str, file: Path, **query: Any) -> str:
        """Writes a download to a file block by block; returns the sha256 of what arrived."""
        return self._retried(lambda: self._download_to(path, file, query))

    def upload(
        self, path: str, answer: type[Answer], fields: Mapping[str, str], files: Sequence[Path]
    ) -> Answer:
        """Sends fields and files as a multipart form; files are read while they are sent."""
        response = self._retried(lambda: self._upload(path, fields, files))
        return self._validated(answer, response)

    def close(self) -> None:
        """Closes the connection."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _send(self, method: str, path: str, **options: Any) -> httpx2.Response:
        if "params" in options:
            options["params"] = {k: v for k, v in options["params"].items() if v is not None}
        return self._retried(lambda: self._request(method, path, options))

    def _retried(self, request: Callable[[], Result]) -> Result:
        """Makes a request again while it fails transiently, for at most `patience_seconds`."""
        for attempt in stamina.retry_context(
            on=TRANSIENT_ERRORS,
            attempts=None if self.patience_seconds else 1,
            timeout=self.patience_seconds or None,
            wait_initial=0.1,
            wait_max=2.0,
        ):
            with attempt:
                return request()
        raise AssertionError  # the loop returns or raises

    def _request(self, method: str, path: str, options: Mapping[str, Any]) -> httpx2.Response:
        with self._naming_unreachable():
            response = self._http.request(method, API + path, **options)
        if response.is_success:
            is_question = method == "GET" or path.endswith(QUESTIONS)
            if self.on_write is not None and not is_question:
                on_write, self.on_write = self.on_write, None
                on_write()
            return response
        raise _error_of(response)

    def _download_to(self, path: str, file: Path, query: Mapping[str, Any]) -> str:
        digest = hashlib.sha256()
        with (
            self._naming_unreachable(),
            self._http.stream("GET", API + path, params=query) as response,
            file.open("wb") as out,
        ):
            if not response.is_success:
                response.read()
                raise _error_of(response)
            for block in response.iter_bytes(BLOCK_BYTES):
                digest.update(block)
                out.write(block)
        return digest.hexdigest()

    def _upload(
        self, path: str, fields: Mapping[str, str], files: Sequence[Path]
    ) -> httpx2.Response:
        with ExitStack() as opened:
            parts = [("file", (file.name, opened.enter_context(file.open("rb")))) for file in files]
            options = {"data": dict(fields), "files": parts, "timeout": UPLOAD_SECONDS}
            return self._request("POST", path, options)

    @contextmanager
    def _naming_unreachable(self) -> Iterator[None]:
        """Turns a failed connection into ServerUnreachable, which says what to do."""
        try:
            yield
        except httpx2.TransportError as error:
            raise ServerUnreachable(
                f"a server must answer at {self.url}, and none does ({error}); "
                "start one with `hpsearch up` or set HPSEARCH_SERVER"
            ) from error

    def _validated(self, answer: type[Answer], response: httpx2.Response) -> Answer:
        """The record in a response.

        Raises:
            ServerRefused: when the body is no such record, so that another program answers.
        """
        try:
            return answer.model_validate_json(response.content)
        except ValidationError as error:
            raise ServerRefused(
                response.status_code,
                "not_hpsearch",
                f"an hpsearch server must answer at {self.url}, and something else does; "
                "set HPSEARCH_SERVER to the right address",
            ) from error


def _error_of(response: httpx2.Response) -> HpsearchError:
    """The exception that an answer with an error status stands for."""
    try:
        problem = ProblemDetails.model_validate_json(response.content)
    except ValidationError:
        if response.status_code >= 500:
            return errors.ServerFault(
                f"the server or what stands before it answered {response.status_code}; "
                "try again later"
            )
        return ServerRefused(
            response.status_code, "not_hpsearch", f"the server answered {response.status_code}"
        )
    if problem.code == InvalidInput.code and problem.errors:
        return InvalidInput([FieldError(field.path, field.message) for field in problem.errors])
    if problem.code in _ERROR_BY_CODE:
        return _ERROR_BY_CODE[problem.code](problem.detail)
    return ServerRefused(problem.status, problem.code, problem.detail)
