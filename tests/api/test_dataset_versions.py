"""A data set replaced under its name, as requests and answers have it."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from api_requests import is_problem
from fastapi.testclient import TestClient
from httpx2 import Response
from rig import Rig, spec

URL = "/api/v1/datasets"
ROWS = [f"{i},{i % 5},{'even' if i % 2 == 0 else 'odd'}" for i in range(60)]
OLD, NEW, NEWER = (
    "\n".join(["length,width,parity", *ROWS[:count]]).encode() for count in (40, 50, 60)
)


def add(api: TestClient, content: bytes, **fields: str) -> Response:
    data = {"name": "strips", "target": "parity", **fields}
    return api.post(URL, data=data, files={"file": ("strips.csv", content)})


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_a_file_is_replaced_only_by_who_says_so(api: TestClient) -> None:
    first = add(api, OLD)
    assert (first.status_code, first.json()["version"], first.json()["versions"]) == (201, 1, [1])
    for fields in ({}, {"replace": "false"}):
        refused = add(api, NEW, **fields)
        assert refused.status_code == 409
        assert "replace=true: it becomes version 2" in refused.json()["detail"]
    second = add(api, NEW, replace="true")
    assert (second.status_code, second.json()["version"]) == (201, 2)
    again = add(api, NEW, replace="true")
    assert (again.status_code, again.json()) == (200, second.json())
    assert api.get(f"{URL}/strips").json() == second.json()
    known = api.get(f"{URL}/strips?version=1").json()
    assert known == {**first.json(), "versions": [1, 2]}
    listed = [one for one in api.get(URL).json()["datasets"] if one["name"] == "strips"]
    assert listed == [second.json()]


def test_every_version_s_file_is_handed_out_and_goes_with_it(api: TestClient, served: Rig) -> None:
    for content in (OLD, NEW, OLD):
        add(api, content, replace="true")
    for version, content in ((1, OLD), (2, NEW), (3, OLD), (None, OLD)):
        query = "" if version is None else f"?version={version}"
        answer = api.get(f"{URL}/strips/artifact{query}")
        assert answer.content == content
        assert answer.headers["X-Content-Sha256"] == sha(content)
    for version, left in ((1, {OLD, NEW}), (2, {OLD}), (3, set())):
        assert api.delete(f"{URL}/strips?version={version}").status_code == 204
        assert set(served.artifacts()) == {f"datasets/{sha(content)}" for content in left}
    assert api.get(f"{URL}/strips").status_code == 404


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("strips?version=2", 404), ("strips/artifact?version=9", 404), ("strips?version=0", 422),
        ("strips?version=x", 422), ("strips?version=99999999999", 422), ("wine?version=1", 422),
    ],
)  # fmt: skip
def test_a_version_that_there_is_not_is_a_fault_of_the_request(
    sqlite_api: TestClient, path: str, status: int
) -> None:
    add(sqlite_api, OLD)
    answer = sqlite_api.get(f"{URL}/{path}")
    assert is_problem(answer)
    assert answer.status_code == status
    assert is_problem(sqlite_api.delete(f"{URL}/{path}"))


def test_a_word_other_than_true_and_false_is_no_answer_to_replace(sqlite_api: TestClient) -> None:
    answer = add(sqlite_api, OLD, replace="maybe")
    assert is_problem(answer)
    assert "replace: must be true or false, got 'maybe'" in answer.json()["detail"]


def submit(api: TestClient, **task: Any) -> Response:
    return api.post("/api/v1/studies", json=spec(task={"dataset": "strips", **task}))


def test_a_study_says_which_version_it_runs_on_and_its_clone_runs_on_the_same(
    api: TestClient,
) -> None:
    add(api, OLD)
    first = submit(api).json()
    assert first["spec"]["task"]["dataset_version"] == 1
    add(api, NEW, replace="true")
    clone = api.post(f"/api/v1/studies/{first['id']}:clone")
    assert clone.json()["spec"]["task"]["dataset_version"] == 1
    assert submit(api).json()["spec"]["task"]["dataset_version"] == 2
    assert submit(api, dataset_version=1).json()["spec"]["task"]["dataset_version"] == 1
    (created,) = api.get(f"/api/v1/studies/{first['id']}/events").json()["events"]
    assert created["message"].endswith("over 1 parameter, on version 1 of strips")
    built_in = api.post("/api/v1/studies", json=spec()).json()
    assert built_in["spec"]["task"]["dataset_version"] is None
    refused = submit(api, dataset_version=7)
    assert is_problem(refused)
    assert refused.json()["errors"][0]["path"] == "task.dataset_version"
    assert "got 7; there are 1, 2" in refused.json()["detail"]


def test_a_preview_draws_the_schedule_of_the_version_it_names(sqlite_api: TestClient) -> None:
    """40 rows leave 24 to train on, 60 leave 36: one and two batches of 32."""
    add(sqlite_api, OLD)
    add(sqlite_api, NEWER, replace="true")

    def steps(**task: Any) -> int:
        document = spec(task={"dataset": "strips", **task})
        answer = sqlite_api.post("/api/v1/studies:preview", json=document)
        assert answer.status_code == 200, answer.text
        return len(answer.json()["schedule"]["epochs"])

    assert steps() == 2 * steps(dataset_version=1)


def test_checks_go_by_the_version_that_is_named(sqlite_api: TestClient) -> None:
    add(sqlite_api, OLD)
    without = b"\n".join(line.replace(b",", b";", 1).split(b";")[1] for line in NEW.split(b"\n"))
    assert add(sqlite_api, without, replace="true").json()["features"] == [1]
    split = {"time": "length"}
    assert submit(sqlite_api, split=split, dataset_version=1).status_code == 201
    refused = submit(sqlite_api, split=split)
    assert refused.status_code == 422
    assert "must name a column of strips, got 'length'" in refused.json()["detail"]
