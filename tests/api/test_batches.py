"""Checkpoints and ends of several trials in one request: all, or none."""

from __future__ import annotations

import errno
import hashlib
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from rig import Rig, spec

from hpsearch.spec.wire.jobs import Job
from hpsearch.spec.wire.multipart import CheckpointPart, pack
from hpsearch.store.artifacts import ArtifactStore
from hpsearch.store.checkpoints import StoredArtifact

API = "/api/v1"


@pytest.fixture
def jobs(api: TestClient, served: Rig) -> list[Job]:
    """Two trials with one reported epoch each."""
    api.post(f"{API}/studies", json=spec(search={"trials": 2}))
    leased = served.lease(served.join(), 2)
    for job in leased:
        served.report(job, 0, val_accuracy=0.5 + job.trial / 10)
    return leased


def put(api: TestClient, jobs: list[Job], contents: list[bytes], **change: object) -> Response:
    sent = [
        CheckpointPart(
            job=job.id,
            attempt=job.attempt,
            epoch=0,
            best=True,
            size_bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
        )
        for job, content in zip(jobs, contents, strict=True)
    ]
    sent[-1] = sent[-1].model_copy(update=change)
    return api.put(f"{API}/jobs:checkpoints", content=pack(sent, contents))


def end(job: Job, **fields: object) -> dict[str, object]:
    return {"job": job.id, "attempt": job.attempt, **fields}


def test_a_parcel_s_checkpoints_become_visible(
    api: TestClient, served: Rig, jobs: list[Job]
) -> None:
    answer = put(api, jobs, [b"one", b"two"])
    assert answer.status_code == 200
    stored = answer.json()["checkpoints"]
    assert [(one["trial"], one["epoch"], one["best"], one["last"]) for one in stored] == [
        (0, 0, True, True),
        (1, 0, True, True),
    ]
    found = [api.get(f"{API}/checkpoints/{one['id']}/artifact").content for one in stored]
    assert found == [b"one", b"two"]
    assert put(api, jobs, [b"one", b"two"]).json() == answer.json(), "a repeat changes nothing"


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"attempt": 7}, 409, "stale_lease"),
        ({"epoch": 5}, 409, "report_gap"),
        ({"sha256": "0" * 64}, 422, "corrupt_artifact"),
    ],
)
def test_one_bad_checkpoint_keeps_the_others_out(
    api: TestClient, served: Rig, jobs: list[Job], change: dict[str, object], status: int, code: str
) -> None:
    answer = put(api, jobs, [b"one", b"two"], **change)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    for trial in (0, 1):
        listed = api.get(f"{API}/studies/1/trials/{trial}/checkpoints").json()
        assert listed == {"checkpoints": []}
    assert served.artifacts() == []


def test_a_parcel_that_finds_no_room_for_its_second_file_leaves_none(
    api: TestClient, served: Rig, jobs: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    publish, room = ArtifactStore.publish, [True, False]

    def filling(store: ArtifactStore, *stored: Any) -> StoredArtifact:
        if not room.pop(0):
            raise OSError(errno.ENOSPC, "No space left on device")
        return publish(store, *stored)

    monkeypatch.setattr(ArtifactStore, "publish", filling)
    answer = put(api, jobs, [b"one", b"two"])
    assert (answer.status_code, answer.json()["code"]) == (507, "storage_full")
    assert served.artifacts() == []
    assert api.get(f"{API}/studies/1/trials/0/checkpoints").json() == {"checkpoints": []}


def test_a_body_that_is_no_parcel_is_refused(api: TestClient, jobs: list[Job]) -> None:
    answer = api.put(f"{API}/jobs:checkpoints", content=b"nonsense")
    assert answer.status_code == 422
    assert "must open with a header" in answer.json()["detail"]


def test_trials_end_together_and_keep_how_they_were_trained(
    api: TestClient, jobs: list[Job]
) -> None:
    trained = {"group": 2, "why": "2 at once: 1 ms a step and trial, 2 ms alone"}
    ends = [
        end(jobs[0], training=trained),
        end(jobs[1], state="pruned", reason="diverged", training=trained),
    ]
    headers = {"Idempotency-Key": "once"}
    answer = api.post(f"{API}/jobs:complete", json={"completions": ends}, headers=headers)
    assert [job["state"] for job in answer.json()["jobs"]] == ["done", "done"]
    repeat = api.post(f"{API}/jobs:complete", json={"completions": ends}, headers=headers)
    assert repeat.json() == answer.json()
    trials = [api.get(f"{API}/studies/1/trials/{number}").json() for number in (0, 1)]
    assert [trial["state"] for trial in trials] == ["complete", "pruned"]
    assert [trial["attributes"]["training"] for trial in trials] == [trained, trained]
    assert api.get(f"{API}/studies/1").json()["state"] == "complete"


def test_one_lost_lease_ends_no_trial(api: TestClient, jobs: list[Job]) -> None:
    ends = [end(jobs[0]), {**end(jobs[1]), "attempt": 2}]
    answer = api.post(f"{API}/jobs:complete", json={"completions": ends})
    assert (answer.status_code, answer.json()["code"]) == (409, "stale_lease")
    assert api.get(f"{API}/studies/1/trials/0").json()["state"] == "running"


def test_trials_of_two_studies_end_in_two_requests(
    api: TestClient, served: Rig, jobs: list[Job]
) -> None:
    api.post(f"{API}/studies", json=spec(search={"trials": 1}))
    (other,) = served.lease(served.join(), 1)
    answer = api.post(f"{API}/jobs:complete", json={"completions": [end(jobs[0]), end(other)]})
    assert answer.status_code == 422
    assert "must be of one study's trials" in answer.json()["detail"]
    assert api.get(f"{API}/studies/1/trials/0").json()["state"] == "running"
