"""HTTP to the server: retries what may pass, and turns problems back into exceptions.

Every POST carries an Idempotency-Key of its own, the same at each retry, so that a retry after a
lost answer changes nothing twice.
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
from hpsearch.errors import (
    FieldError,
    HpsearchError,
    InvalidInput,
    ServerRefused,
    ServerUnreachable,
)
from hpsearch.processes.discovery import read_token, running_servers
from hpsearch.settings import DEFAULT_HOST, DEFAULT_PORT, Settings
from hpsearch.spec.wire.records import Problem

R = TypeVar("R", bound=BaseModel)
T = TypeVar("T")

API = "/api/v1"

BLOCK_BYTES = 1 << 20

UPLOAD_SECONDS = 600.0
"""How long a server may take to read through an uploaded file."""

_BY_CODE: Mapping[str, type[HpsearchError]] = {
    kind.code: kind
    for kind in (
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

PASSING = (ServerUnreachable, errors.DatabaseUnavailable, errors.ServerFault)
"""What a later try may not meet again."""


class Transport:
    """A connection to one server.

    Args:
        url: its address; none looks at HPSEARCH_SERVER, then for a server running here.
        token: its token; none looks at HPSEARCH_TOKEN, then in that server's data directory.
        patience_seconds: how long a server or database that does not answer is waited for.
        timeout_seconds: how long one answer may take.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        patience_seconds: float = 5.0,
        timeout_seconds: float = 60.0,
    ) -> None:
        self.url, self.token = _address(url, token)
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

    def get(self, path: str, kind: type[R], **query: Any) -> R:
        """What lies at a path under the API."""
        return self._read(kind, self._send("GET", path, params=query))

    def post(
        self,
        path: str,
        kind: type[R],
        body: BaseModel | Mapping[str, Any] | bytes | None = None,
        *,
        once: bool = True,
        idempotency_key: str | None = None,
        method: Literal["POST", "PATCH"] = "POST",
    ) -> R:
        """Asks for a change; `once=False` where the change itself is safe to repeat."""
        headers = {"Content-Type": "application/json"}
        if once:
            headers["Idempotency-Key"] = idempotency_key or secrets.token_urlsafe(16)
        content: bytes | None
        if isinstance(body, BaseModel):
            content = body.model_dump_json().encode()
        elif isinstance(body, Mapping):
            content = to_json(body, inf_nan_mode="constants")
        else:
            content = body
        return self._read(kind, self._send(method, path, content=content, headers=headers))

    def put(self, path: str, kind: type[R], content: bytes, sha256: str, **query: Any) -> R:
        """Sends a file."""
        headers = {"Content-Type": "application/octet-stream", "X-Content-Sha256": sha256}
        return self._read(
            kind, self._send("PUT", path, content=content, params=query, headers=headers)
        )

    def delete(self, path: str) -> None:
        """Removes what lies at a path."""
        self._send("DELETE", path)

    def download(self, path: str) -> tuple[bytes, str]:
        """A file and the sha256 that the server names for it."""
        response = self._send("GET", path)
        return response.content, response.headers.get("X-Content-Sha256", "")

    def download_to(self, path: str, file: Path) -> str:
        """Writes a file as it comes; returns the sha256 of what came."""
        return self._patiently(lambda: self._download_to(path, file))

    def upload(
        self, path: str, kind: type[R], fields: Mapping[str, str], files: Sequence[Path]
    ) -> R:
        """Sends files in a form, read as they are sent."""
        return self._read(kind, self._patiently(lambda: self._upload(path, fields, files)))

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
        return self._patiently(lambda: self._once(method, path, options))

    def _patiently(self, call: Callable[[], T]) -> T:
        for attempt in stamina.retry_context(
            on=PASSING,
            attempts=None if self.patience_seconds else 1,
            timeout=self.patience_seconds or None,
            wait_initial=0.1,
            wait_max=2.0,
        ):
            with attempt:
                return call()
        raise AssertionError  # the loop returns or raises

    def _once(self, method: str, path: str, options: Mapping[str, Any]) -> httpx2.Response:
        with self._reached():
            response = self._http.request(method, API + path, **options)
        if response.is_success:
            return response
        raise _problem(response)

    def _download_to(self, path: str, file: Path) -> str:
        digest = hashlib.sha256()
        with (
            self._reached(),
            self._http.stream("GET", API + path) as response,
            file.open("wb") as out,
        ):
            if not response.is_success:
                response.read()
                raise _problem(response)
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
            return self._once("POST", path, options)

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except httpx2.TransportError as error:
            raise ServerUnreachable(
                f"a server must answer at {self.url}, and none does ({error}); "
                "start one with `hpsearch up` or set HPSEARCH_SERVER"
            ) from error

    def _read(self, kind: type[R], response: httpx2.Response) -> R:
        try:
            return kind.model_validate_json(response.content)
        except ValidationError as error:
            raise ServerRefused(
                response.status_code,
                "not_hpsearch",
                f"an hpsearch server must answer at {self.url}, and something else does; "
                "set HPSEARCH_SERVER to the right address",
            ) from error


def _problem(response: httpx2.Response) -> HpsearchError:
    try:
        problem = Problem.model_validate_json(response.content)
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
    if problem.code in _BY_CODE:
        return _BY_CODE[problem.code](problem.detail)
    return ServerRefused(problem.status, problem.code, problem.detail)


def _address(url: str | None, token: str | None) -> tuple[str, str | None]:
    settings = Settings()
    running = running_servers()
    url = url or settings.server or (running[0].url if running else None)
    url = (url or f"http://{DEFAULT_HOST}:{DEFAULT_PORT}").rstrip("/")
    if "://" not in url:
        url = f"http://{url}"
    token = token or settings.token
    if token is None:
        here = next((server for server in running if server.url == url), None)
        token = read_token(Path(here.data_dir) if here else settings.data_dir)
    return url, token
