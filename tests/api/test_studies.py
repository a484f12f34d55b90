from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from rig import Rig, spec

from hpsearch.example_files import examples

API = "/api/v1"


def _submit(api: TestClient, **sections: Any) -> int:
    answer = api.post(f"{API}/studies", json=spec(**sections))
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


@pytest.mark.parametrize("media", ["application/json", "application/yaml", "text/plain"])
def test_a_study_comes_as_json_or_yaml(api: TestClient, media: str) -> None:
    text = (
        "name: wine\ntask: {dataset: wine}\noptimizer: {kind: sgd, lr: {log_uniform: [1e-5, 1]}}\n"
    )
    if media == "application/json":
        text = '{"name": "wine", "task": {"dataset": "wine"}, "optimizer": {"lr": 0.1}}'
    answer = api.post(f"{API}/studies", content=text, headers={"Content-Type": media})
    assert answer.status_code == 201
    study = answer.json()
    assert (study["id"], study["name"], study["state"]) == (1, "wine", "queued")
    assert study["counts"] == {
        "queued": 0, "running": 0, "complete": 0, "pruned": 0, "failed": 0,
    }  # fmt: skip
    assert study["spec"]["search"] == {"kind": "random", "trials": 20, "enqueue": []}
    assert (study["best_trial"], study["best_value"], study["eta_seconds"]) == (None, None, None)
    assert api.get(f"{API}/studies/1").json() == study


def test_a_study_from_submission_to_its_best_checkpoint(api: TestClient, served: Rig) -> None:
    study = _submit(api, search={"trials": 2})
    join = {"name": "tester", "version": api.get("/healthz").json()["version"]}
    worker = api.post(f"{API}/workers", json=join)
    assert worker.status_code == 201
    lease = {"worker": worker.json()["id"], "capacity": 5}
    leased = api.post(f"{API}/jobs:lease", json=lease)
    jobs = leased.json()["jobs"]
    assert [job["trial"] for job in jobs] == [0, 1]
    assert "Retry-After" not in leased.headers
    none = api.post(f"{API}/jobs:lease", json=lease)
    assert (none.json(), none.headers["Retry-After"]) == ({"jobs": []}, "1")
    for job in jobs:
        token = {"job": job["id"], "attempt": job["attempt"]}
        metrics = {"val_accuracy": 0.5 + job["trial"] / 10, "val_loss": "NaN", "w": "-Infinity"}
        batch = {"worker": 1, "reports": [{**token, "epoch": 0, "metrics": metrics}]}
        answer = api.post(f"{API}/jobs:report", json=batch)
        assert answer.json() == {"decisions": [{"job": job["id"], "decision": "continue"}]}
        beat = api.post(f"{API}/jobs:heartbeat", json={"worker": 1, "jobs": [token]})
        assert beat.json() == {"lease_seconds": 30.0}
        done = api.post(
            f"{API}/jobs/{job['id']}:complete",
            json={"attempt": 1, "test_metrics": {"test_accuracy": 0.4}},
        )
        assert done.json()["state"] == "done"
        assert api.get(f"{API}/jobs/{job['id']}").json() == done.json()
    found = api.get(f"{API}/studies/{study}").json()
    assert (found["state"], found["best_trial"], found["best_value"]) == ("complete", 1, 0.6)
    best = api.get(f"{API}/studies/{study}/trials/1").json()
    assert best["metrics"] == {
        "val_accuracy": 0.6, "val_loss": "NaN", "w": "-Infinity", "test_accuracy": 0.4,
    }  # fmt: skip
    other = api.get(f"{API}/studies/{study}/trials/0").json()
    assert "test_accuracy" not in other["metrics"]
    curves = api.get(f"{API}/studies/{study}/curves", params={"metric": "w"}).json()
    assert [curve["values"] for curve in curves["curves"]] == [["-Infinity"], ["-Infinity"]]
    for params, trials in (("1", [1]), ("0,1", [0, 1]), (" 1 , 0", [0, 1]), ("7", [])):
        curves = api.get(
            f"{API}/studies/{study}/curves", params={"metric": "w", "trials": params}
        ).json()
        assert [curve["trial"] for curve in curves["curves"]] == trials


@pytest.mark.parametrize(
    "number", [math.nan, math.inf, -math.inf, 0.1, 5e-324, 1.7976931348623157e308]
)
def test_numbers_travel_unchanged(api: TestClient, served: Rig, number: float) -> None:
    study = _submit(api)
    (job,) = served.lease(served.join())
    served.report(job, 0, w=number)
    url = f"{API}/studies/{study}"
    (curve,) = api.get(f"{url}/curves", params={"metric": "w"}).json()["curves"]
    values = [curve["values"][0], api.get(f"{url}/trials/0").json()["metrics"]["w"]]
    names = {math.inf: "Infinity", -math.inf: "-Infinity"}
    expected = "NaN" if math.isnan(number) else names.get(number, number)
    assert values == [expected, expected]


def test_verbs(api: TestClient) -> None:
    study = _submit(api)
    url = f"{API}/studies/{study}"
    for verb, state in (("pause", "paused"), ("resume", "queued"), ("stop", "stopped")):
        assert api.post(f"{url}:{verb}").json()["state"] == state
    again = api.post(f"{url}:pause")
    assert (again.status_code, again.json()["code"]) == (409, "illegal_transition")
    resumed = api.post(f"{url}:resume")
    assert resumed.status_code == 409
    assert "is stopped; clone it to run it again" in resumed.json()["detail"]
    kinds = [event["kind"] for event in api.get(f"{url}/events").json()["events"]]
    assert kinds == ["study_created", *["state_changed"] * 3]
    assert api.delete(url).status_code == 204
    assert api.get(url).status_code == 404
    assert api.delete(url).status_code == 404


def test_a_running_study_is_not_deleted(api: TestClient) -> None:
    url = f"{API}/studies/{_submit(api)}"
    refused = api.delete(url)
    assert refused.status_code == 409
    assert refused.json()["detail"] == (
        "a study must be over to be deleted, and study 1 is queued; stop it first"
    )


def test_a_clone_takes_changes(api: TestClient) -> None:
    study = _submit(api)
    clone = api.post(f"{API}/studies/{study}:clone", json={"name": "again", "seed": 9})
    assert clone.status_code == 201
    assert (clone.json()["id"], clone.json()["name"]) == (2, "again")
    same = api.post(f"{API}/studies/{study}:clone")
    assert same.json()["spec"] == api.get(f"{API}/studies/{study}").json()["spec"]
    wrong = api.post(f"{API}/studies/{study}:clone", json={"sed": 9})
    assert wrong.json()["errors"] == [
        {"path": "sed", "message": "no such field; did you mean `seed`?"}
    ]


@pytest.mark.parametrize("path", list(examples()), ids=lambda path: path.stem)
def test_every_example_is_accepted(shared_sqlite_api: TestClient, path: Path) -> None:
    answer = shared_sqlite_api.post(
        "/api/v1/studies",
        content=path.read_bytes(),
        headers={"Content-Type": "application/yaml"},
    )
    assert answer.status_code == 201, answer.text


def test_a_preview_stores_nothing(api: TestClient, served: Rig) -> None:
    answer = api.post(f"{API}/studies:preview", json=spec())
    assert answer.json()["epochs_planned"] == 24
    assert served.snapshot()["studies"] == []


def test_datasets_are_listed(api: TestClient) -> None:
    found = {info["name"]: info for info in api.get(f"{API}/datasets").json()["datasets"]}
    assert {"digits", "breast_cancer", "wine", "spiral", "quadratic"} <= set(found)
    assert api.get(f"{API}/datasets/wine").json() == found["wine"]
    assert api.get(f"{API}/datasets/none").status_code == 404


def test_another_version_may_not_join(api: TestClient, served: Rig) -> None:
    answer = api.post(f"{API}/workers", json={"name": "old", "version": "0.0.1"})
    assert (answer.status_code, answer.json()["code"]) == (409, "version_mismatch")
    assert "got worker 0.0.1 and server" in answer.json()["detail"]
    assert "install hpsearch==" in answer.json()["detail"]
    assert api.get(f"{API}/workers").json() == {"workers": []}
