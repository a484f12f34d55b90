"""Whatever is sent, the answer is a problem in sentences, and never of the server's making."""

from __future__ import annotations

import json
from typing import Any

import pytest
from api_requests import JUNK_PATHS, VALUES, is_problem
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rig import Rig, spec

from api.middleware import MAX_BODY_BYTES
from hpsearch.errors import DatabaseUnavailable, HpsearchError, StorageFull
from hpsearch.spec.study import StudySpec
from hpsearch.store import study_records
from hpsearch.store.database import Database

API = "/api/v1"
DEEP = [100, 900, 950, 970, 990, 1000, 100_000]
BODIES: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"{",
    "a list": b"[]",
    "null": b"null",
    "NaN": b'{"name": NaN}',
    "1e999": b'{"seed": 1e999, "worker": 1e999, "attempt": 1e999}',
    "huge number": b'{"seed": 1%s, "worker": 1%s}' % (b"0" * 30, b"0" * 30),
    "too many digits": b'{"seed": %s, "worker": %s}' % (b"1" * 5000, b"1" * 5000),
    "surrogate": b'{"name": "\\ud800", "version": "\\udc00", "message": "\\ud800"}',
    "surrogate key": b'{"\\ud800": 1}',
    "surrogate label": b'{"name": "a", "version": "%s", "labels": {"\\ud800": "a"}}',
    "control characters": b'{"name": "a\\u0000\\u001b[2J", "version": "0"}',
    "not UTF-8": b'{"name": "\xff\xfe"}',
    "UTF-16": '{"name": "x"}'.encode("utf-16"),
    "duplicate keys": b'{"name": "a", "name": "b"}',
    "alias": b"name: &a x\nnotes: *a",
    "long list": json.dumps({"tags": [1] * 100_000, "jobs": [1] * 100_000}).encode(),
    "long name": json.dumps({"name": "x" * 500_000, "worker": "x" * 500_000}).encode(),
    "long key": json.dumps({"x" * 500_000: 1}).encode(),
    **{f"list of depth {n}": b'{"name":' + b"[" * n + b"]" * n + b"}" for n in DEEP},
    **{f"object of depth {n}": b'{"name":' * n + b"1" + b"}" * n for n in DEEP},
}
POSTS = [
    "/studies", "/studies:preview", "/studies/1:clone", "/workers", "/jobs:lease",
    "/jobs:heartbeat", "/jobs:report", "/jobs/1:complete", "/jobs/1:fail",
]  # fmt: skip


def test_hostile_bodies_get_a_problem_everywhere(api: TestClient, served: Rig) -> None:
    served.submit()
    served.lease(served.join())
    before = served.snapshot()
    for path in POSTS:
        for name, body in BODIES.items():
            if name == "nothing" and path.endswith(":clone"):
                continue
            answer = api.post(
                API + path, content=body, headers={"Content-Type": "application/json"}
            )
            assert is_problem(answer), f"{name} at {path}: {answer.status_code} {answer.text[:300]}"
            assert len(answer.content) < 20_000
    assert served.snapshot() == before


def test_surrogates_and_nul_in_what_workers_say(api: TestClient, served: Rig) -> None:
    served.submit()
    (job,) = served.lease(served.join())

    def post(path: str, text: str) -> Any:
        headers = {"Content-Type": "application/json"}
        return api.post(API + path, content=text.encode(), headers=headers)

    token = f'"job": {job.id}, "attempt": 1, "epoch": 0'
    for name in ("\\ud800", "\\u0000", ""):
        batch = f'{{"worker": 1, "reports": [{{{token}, "metrics": {{"{name}": 1}}}}]}}'
        assert is_problem(post("/jobs:report", batch))
    failure = '{"attempt": 1, "reason": "error", "message": "a\\u0000b"}'
    assert post(f"/jobs/{job.id}:fail", failure).status_code == 200


@pytest.mark.parametrize("path", JUNK_PATHS)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_junk_addresses_get_a_problem(
    method: str, path: str, shared_sqlite_api: TestClient
) -> None:
    answer = shared_sqlite_api.request(method, API + path)
    assert is_problem(answer), f"{answer.status_code} {answer.text[:200]}"
    assert answer.status_code in (404, 405, 414, 422)


def test_a_problem_has_all_its_members(api: TestClient) -> None:
    answer = api.get(f"{API}/studies/7")
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem == {
        "type": "urn:hpsearch:problem:not_found",
        "title": "Not Found",
        "status": 404,
        "code": "not_found",
        "detail": "a study must exist to be used, and none has id 7; list the studies",
        "request_id": answer.headers["X-Request-Id"],
        "errors": [],
    }


def test_every_wrong_field_is_named(api: TestClient) -> None:
    answer = api.post(f"{API}/studies", json=spec(sed=1, training={"epochs": 0}))
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"path": "sed", "message": "no such field; did you mean `seed`?"},
    ]
    answer = api.post(f"{API}/studies", json=spec(seed=-1, training={"epochs": 0}))
    assert [field["path"] for field in answer.json()["errors"]] == ["seed", "training.epochs"]
    assert answer.json()["detail"].startswith("seed: must be >= 0, got -1; training.epochs: ")


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("page_size=0", "page_size"),
        ("page_size=1001", "page_size"),
        ("page_size=x", "page_size"),
        ("page_token=x", "page_token"),
        ("page_token=" + "x" * 501, "page_token"),
        ("sort=params", "sort"),
        ("sort=--value", "sort"),
        ("state=lost", "state"),
        ("stage=-1", "stage"),
    ],
)
def test_a_wrong_query_is_named(sqlite_api: TestClient, query: str, path: str) -> None:
    answer = sqlite_api.get(f"{API}/studies/1/trials?{query}")
    assert answer.status_code == 422
    assert [field["path"] for field in answer.json()["errors"]] == [path]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (DatabaseUnavailable("the database does not answer; start it"), 503),
        (StorageFull("no room; free space"), 507),
        (HpsearchError("something of ours"), 500),
        (RuntimeError("something else"), 500),
    ],
)
def test_what_fails_inside_tells_no_secrets(
    sqlite_api: TestClient, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    def broken(*_: object) -> None:
        raise error

    # Not the database itself: a second thread that logs an error at the same time meets a fault of
    # Python 3.11 in the formatting of tracebacks ("AST constructor recursion depth mismatch").
    monkeypatch.setattr(study_records, "page", broken)
    answer = sqlite_api.get(f"{API}/studies")
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert ("something else" in answer.text) is False
    assert ("Retry-After" in answer.headers) == (status == 503)
    if isinstance(error, RuntimeError):
        assert answer.json()["request_id"] in answer.json()["detail"]


def test_bodies_are_bounded_however_they_come(sqlite_api: TestClient) -> None:
    def pieces() -> Any:
        for _ in range(MAX_BODY_BYTES // 2**20 + 1):
            yield bytes(2**20)

    answer = sqlite_api.post(f"{API}/studies", headers={"Content-Length": str(MAX_BODY_BYTES + 1)})
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    chunked = sqlite_api.post(f"{API}/studies", content=pieces())
    assert chunked.status_code == 413
    assert f"at most {MAX_BODY_BYTES} bytes" in chunked.json()["detail"]


def test_a_database_that_is_down_is_said_so(app: FastAPI, api: TestClient) -> None:
    services = app.state.services
    services.database.close()
    gone = Database("postgresql://nobody:secret@127.0.0.1:1/none")
    object.__setattr__(services, "database", gone)
    for path in ("/readyz", f"{API}/studies"):
        answer = api.get(path)
        assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
        assert "start it or correct HPSEARCH_DATABASE_URL" in answer.json()["detail"]
        assert "secret" not in answer.text
    assert api.get("/healthz").status_code == 200
    gone.close()


FIELDS = st.sampled_from([*sorted(StudySpec.model_fields), "nam", ""])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(changes=st.dictionaries(FIELDS, VALUES, max_size=3))
def test_no_study_makes_the_server_fail(sqlite_api: TestClient, changes: dict[str, Any]) -> None:
    answer = sqlite_api.post(f"{API}/studies", content=json.dumps({**spec(), **changes}))
    assert answer.status_code == 201 or is_problem(answer), answer.text[:300]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(
    body=st.binary(max_size=40) | st.text(max_size=40).map(str.encode), path=st.sampled_from(POSTS)
)
def test_no_bytes_make_the_server_fail(sqlite_api: TestClient, body: bytes, path: str) -> None:
    answer = sqlite_api.post(API + path, content=body, headers={"Content-Type": "application/json"})
    assert is_problem(answer) or (not body.strip() and path.endswith(":clone"))
