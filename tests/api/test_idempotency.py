"""A POST under an Idempotency-Key is done once, with its answer, in one transaction."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from rig import Rig, spec
from sqlalchemy import update

from hpsearch.errors import Conflict
from hpsearch.store import idempotency
from hpsearch.store.database import now
from hpsearch.store.tables import IdempotencyRow

API = "/api/v1"
KEY = {"Idempotency-Key": "a key"}


def test_a_repeat_gets_the_first_answer(api: TestClient, served: Rig) -> None:
    first = api.post(f"{API}/studies", json=spec(), headers=KEY)
    api.post(f"{API}/studies/1:stop")
    before = served.snapshot()
    again = api.post(f"{API}/studies", json=spec(), headers=KEY)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["Idempotent-Replay"] == "true"
    assert "Idempotent-Replay" not in first.headers
    assert served.snapshot() == before


def test_a_lease_whose_answer_was_lost_is_not_given_twice(api: TestClient, served: Rig) -> None:
    served.submit()
    ask = {"worker": served.join(), "capacity": 2}
    first = api.post(f"{API}/jobs:lease", json=ask, headers=KEY).json()
    assert api.post(f"{API}/jobs:lease", json=ask, headers=KEY).json() == first
    assert [job["trial"] for job in first["jobs"]] == [0, 1]
    assert served.study(1).counts.running == 2


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/studies", spec(name="other")),
        ("/studies/1:clone", spec()),
        ("/workers", {"name": "a", "version": "0"}),
    ],
)
def test_another_request_under_the_key_is_refused(
    api: TestClient, path: str, body: dict[str, Any]
) -> None:
    version = api.get("/healthz").json()["version"]
    api.post(f"{API}/studies", json=spec(), headers=KEY)
    if "version" in body:
        body = {**body, "version": version}
    answer = api.post(API + path, json=body, headers=KEY)
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_mismatch")
    assert "'a key' was sent with another; use a fresh key" in answer.json()["detail"]
    assert len(api.get(f"{API}/studies").json()["studies"]) == 1


def test_a_server_may_be_called_by_many_names(api: TestClient) -> None:
    for host in ("http://localhost:8470", "http://127.0.0.1:8470"):
        answer = api.post(f"{host}{API}/studies", json=spec(), headers=KEY)
        assert answer.json()["id"] == 1


def test_two_at_once_are_one(api: TestClient) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda _: api.post(f"{API}/studies", json=spec(), headers=KEY), range(8))
        )
    assert {answer.status_code for answer in answers} == {201}
    assert {answer.json()["id"] for answer in answers} == {1}
    assert sum("Idempotent-Replay" in answer.headers for answer in answers) == 7


def test_what_failed_leaves_no_key(api: TestClient, served: Rig) -> None:
    study = served.submit()
    refused = api.post(f"{API}/studies/{study}:resume", headers=KEY)
    assert refused.status_code == 409
    assert served.snapshot()["idempotency_keys"] == []
    api.post(f"{API}/studies/{study}:pause")
    assert api.post(f"{API}/studies/{study}:resume", headers=KEY).json()["state"] == "queued"


def test_the_key_stands_or_falls_with_the_effect(
    app: FastAPI, api: TestClient, served: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise Conflict("the answer could not be kept; send it again")

    with monkeypatch.context() as patch:
        patch.setattr(idempotency, "set_answer", broken)
        assert api.post(f"{API}/studies", json=spec(), headers=KEY).status_code == 409
    assert all(rows == [] for rows in served.snapshot().values())
    assert api.post(f"{API}/studies", json=spec(), headers=KEY).status_code == 201


def test_keys_are_forgotten_after_a_day(api: TestClient, served: Rig) -> None:
    api.post(f"{API}/studies", json=spec(), headers=KEY)
    for age, left in ((23 * 3600, 1), (25 * 3600, 0)):
        served.do(
            lambda s, age=age: s.execute(update(IdempotencyRow).values(created_at=now(s) - age))
        )
        served.do(idempotency.delete_old)
        assert len(served.snapshot()["idempotency_keys"]) == left


@pytest.mark.parametrize("key", ["", "x" * 201])
def test_a_key_has_a_length(api: TestClient, key: str) -> None:
    answer = api.post(f"{API}/studies", json=spec(), headers={"Idempotency-Key": key})
    assert answer.status_code == 422
