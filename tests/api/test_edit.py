from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient
from rig import spec

API = "/api/v1"


@pytest.fixture
def study(api: TestClient) -> str:
    return f"{API}/studies/{api.post(f'{API}/studies', json=spec()).json()['id']}"


def test_a_merge_patch_edits_a_study_and_its_versions_are_listed(
    api: TestClient, study: str
) -> None:
    patch: dict[str, Any] = {"search": {"trials": 9}, "optimizer": {"lr": {"uniform": [0.1, 0.2]}}}
    edited = api.patch(study, json=patch)
    assert edited.status_code == 200
    assert (edited.json()["version"], edited.json()["trials_planned"]) == (2, 9)
    counts = {"returned_trials": 0, "trials_on_old_version": 0}
    assert {**api.get(study).json(), **counts} == edited.json()
    first, second = api.get(f"{study}/versions").json()["versions"]
    assert (first["version"], first["changes"], first["first_trial"]) == (1, [], 0)
    assert second["changes"] == [
        "optimizer.lr: {log_uniform: [1e-05, 1]} → {uniform: [0.1, 0.2]}",
        "search.trials: 6 → 9",
    ]
    (event,) = [
        e for e in api.get(f"{study}/events").json()["events"] if e["kind"] == "study_edited"
    ]
    assert event["data"] == {"version": 2}


def test_a_patch_in_yaml_that_changes_nothing_makes_no_version(api: TestClient, study: str) -> None:
    same = api.patch(
        study, content="search: {trials: 6}", headers={"Content-Type": "application/yaml"}
    )
    assert (same.status_code, same.json()["version"]) == (200, 1)


@pytest.mark.parametrize(
    ("patch", "path", "message"),
    [
        ({"task": {"dataset": "iris"}}, "task.dataset", "cannot change from wine to iris"),
        ({"search": {"trials": 0}}, "search.trials", "must be >= 1, got 0"),
        ({"sed": 3}, "sed", "did you mean `seed`?"),
    ],
)
def test_a_patch_that_cannot_be_is_refused(
    api: TestClient, study: str, patch: dict[str, Any], path: str, message: str
) -> None:
    answer = api.patch(study, json=patch)
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["path"] == path
    assert message in error["message"]


def test_trials_are_added_once_per_key(api: TestClient, study: str) -> None:
    given = {"trials": [{"params": {"optimizer.lr": 0.5}}]}
    answers = [
        api.post(f"{study}/trials", json=given, headers={"Idempotency-Key": "once"})
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    (trial,) = answers[0].json()["trials"]
    assert (trial["number"], trial["state"]) == (0, "queued")
    assert api.get(study).json()["trials_planned"] == 7
    wrong = api.post(f"{study}/trials", json={"trials": [{"params": {"lr": 0.5}}]})
    assert [error["path"] for error in wrong.json()["errors"]] == [
        "trials.0.optimizer.lr",
        "trials.0.lr",
    ]


def test_a_stopped_study_is_neither_edited_nor_added_to(api: TestClient, study: str) -> None:
    api.post(f"{study}:stop")
    for answer in (
        api.patch(study, json={"search": {"trials": 9}}),
        api.post(f"{study}/trials", json={"trials": [{"params": {"optimizer.lr": 0.5}}]}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
        assert "clone it" in answer.json()["detail"]
