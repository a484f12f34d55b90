"""Who may ask, and what the OpenAPI document says can be asked."""

from __future__ import annotations

import re
from typing import Any

import pytest
from fastapi.openapi.models import OpenAPI
from fastapi.testclient import TestClient
from rig import TOKEN

from api.app import create_app
from hpsearch.settings import Settings

API = "/api/v1"
OPEN = {"/healthz", "/readyz"}
CONTRACT = {
    "/studies": {"get", "post"},
    "/studies:preview": {"post"},
    "/studies/{study_id}": {"get", "delete"},
    "/studies/{study_id}:pause": {"post"},
    "/studies/{study_id}:resume": {"post"},
    "/studies/{study_id}:stop": {"post"},
    "/studies/{study_id}:clone": {"post"},
    "/studies/{study_id}/trials": {"get"},
    "/studies/{study_id}/trials/{number}": {"get"},
    "/studies/{study_id}/curves": {"get"},
    "/studies/{study_id}/events": {"get"},
    "/checkpoints/{checkpoint_id}": {"get"},
    "/checkpoints/{checkpoint_id}/artifact": {"get"},
    "/datasets": {"get"},
    "/datasets:inspect": {"post"},
    "/datasets/{name}": {"get"},
    "/workers": {"post"},
    "/jobs:lease": {"post"},
    "/jobs:heartbeat": {"post"},
    "/jobs:report": {"post"},
    "/jobs/{job_id}": {"get"},
    "/jobs/{job_id}:complete": {"post"},
    "/jobs/{job_id}:fail": {"post"},
    "/jobs/{job_id}/checkpoints/{epoch}": {"put"},
}


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Made once: it takes more than a second, and is the same for every server."""
    directory = tmp_path_factory.mktemp("document")
    return create_app(Settings(data_dir=directory, token=TOKEN)).openapi()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": TOKEN},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": "Bearer tök\xe9n".encode("latin-1")},
    ],
    ids=str,
)
def test_every_path_under_api_asks_for_the_token(
    sqlite_api: TestClient, document: dict[str, Any], headers: dict[str, Any]
) -> None:
    asked = 0
    sqlite_api.headers.pop("Authorization")
    for path, methods in document["paths"].items():
        if not path.startswith("/api/"):
            continue
        for method in methods:
            address = re.sub(r"\{\w+\}", "1", path)
            answer = sqlite_api.request(method.upper(), address, headers=headers)
            assert answer.status_code == 401, f"{method} {path}"
            assert answer.json()["code"] == "unauthorized"
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            assert TOKEN not in answer.text
            asked += 1
    assert asked >= len(CONTRACT)


def test_the_token_opens(sqlite_api: TestClient) -> None:
    for scheme in ("Bearer", "bearer", "BEARER"):
        headers = {"Authorization": f"{scheme} {TOKEN}"}
        assert sqlite_api.get(f"{API}/studies", headers=headers).status_code == 200


def test_health_is_open_to_all(sqlite_api: TestClient) -> None:
    sqlite_api.headers.pop("Authorization")
    for path in OPEN:
        answer = sqlite_api.get(path)
        assert (answer.status_code, answer.json()["status"]) == (200, "ok")


def test_the_openapi_document_is_valid(document: dict[str, Any]) -> None:
    OpenAPI.model_validate(document)
    assert document["openapi"].startswith("3.1")
    names = set(document["components"]["schemas"])

    def references(part: Any) -> set[str]:
        if isinstance(part, dict):
            own = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
            return own.union(*map(references, part.values()))
        return set().union(*map(references, part)) if isinstance(part, list) else set()

    for reference in references(document):
        assert reference.startswith("#/components/schemas/")
        assert reference.removeprefix("#/components/schemas/") in names
    operations = [o for methods in document["paths"].values() for o in methods.values()]
    ids = [operation["operationId"] for operation in operations]
    assert len(ids) == len(set(ids))


def test_the_openapi_document_has_the_paths_of_the_contract(document: dict[str, Any]) -> None:
    for path, methods in CONTRACT.items():
        assert methods <= set(document["paths"][API + path]), path
    assert "StudySpec" in document["components"]["schemas"]
    body = document["paths"][f"{API}/studies"]["post"]["requestBody"]["content"]
    assert set(body) == {"application/json", "application/yaml"}


def test_the_schema_is_served(sqlite_api: TestClient) -> None:
    schema = sqlite_api.get(f"{API}/schema").json()
    assert {"name", "task"} <= set(schema["required"])


def test_a_stranger_is_turned_away_before_the_body_is_looked_at(api: TestClient) -> None:
    for path in ("/jobs:lease", "/studies", "/datasets"):
        answer = api.post(
            f"/api/v1{path}",
            content=b"{no json",
            headers={"Authorization": "Bearer wrong", "Content-Type": "application/json"},
        )
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
