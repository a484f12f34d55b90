"""A checkpoint sent over HTTP is visible only when whole (invariant 6)."""

from __future__ import annotations

import hashlib

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from rig import Rig

from hpsearch.spec.wire.jobs import Job
from hpsearch.store.artifacts import ArtifactStore
from hpsearch.store.checkpoints import StoredArtifact

API = "/api/v1"
CONTENT = b"state" * 1000


@pytest.fixture
def job(served: Rig) -> Job:
    served.submit()
    (job,) = served.lease(served.join())
    served.report(job, 0, 1)
    return job


def _put(
    api: TestClient, job: Job, content: bytes = CONTENT, epoch: int = 1, **query: object
) -> Response:
    sha256 = str(query.pop("sha256", hashlib.sha256(CONTENT).hexdigest()))
    params = {"attempt": job.attempt, **query}
    return api.put(
        f"{API}/jobs/{job.id}/checkpoints/{epoch}",
        content=content,
        params=params,
        headers={"X-Content-Sha256": sha256},
    )


def _visible(api: TestClient, job: Job) -> list[int]:
    url = f"{API}/studies/{job.study_id}/trials/{job.trial}/checkpoints"
    return [one["epoch"] for one in api.get(url).json()["checkpoints"]]


def test_what_was_sent_comes_back(api: TestClient, served: Rig, job: Job) -> None:
    sent = _put(api, job, best=True)
    assert sent.status_code == 200
    record = sent.json()
    assert (record["epoch"], record["best"], record["last"]) == (1, True, True)
    assert record["size_bytes"] == len(CONTENT)
    url = f"{API}/checkpoints/{record['id']}"
    assert api.get(url).json() == record
    got = api.get(f"{url}/artifact")
    assert got.content == CONTENT
    assert got.headers["X-Content-Sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert "study-1-trial-0-epoch-1.safetensors" in got.headers["Content-Disposition"]
    assert _put(api, job, best=True).json() == record
    assert len(served.artifacts()) == 1


@pytest.mark.parametrize("content", [CONTENT[:-1], b"", CONTENT + b"x", b"other"])
def test_a_damaged_file_is_never_seen(
    api: TestClient, served: Rig, job: Job, content: bytes
) -> None:
    answer = _put(api, job, content)
    assert (answer.status_code, answer.json()["code"]) == (422, "corrupt_artifact")
    assert "send it again" in answer.json()["detail"]
    assert (_visible(api, job), served.artifacts()) == ([], [])


@pytest.mark.parametrize("sha256", ["", "x", "A" * 64, "0" * 63])
def test_a_file_needs_its_hash(api: TestClient, served: Rig, job: Job, sha256: str) -> None:
    assert _put(api, job, sha256=sha256).status_code == 422
    assert served.artifacts() == []


def test_a_stale_token_leaves_nothing(api: TestClient, served: Rig, job: Job) -> None:
    served.run_out(job)
    answer = _put(api, job)
    assert (answer.status_code, answer.json()["code"]) == (409, "stale_lease")
    assert (_visible(api, job), served.artifacts()) == ([], [])


def test_a_lease_lost_while_the_file_came_leaves_nothing(
    api: TestClient, served: Rig, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = ArtifactStore.put

    def slow(store: ArtifactStore, key: str, content: bytes, sha256: str) -> StoredArtifact:
        stored = put(store, key, content, sha256)
        served.run_out(job)
        return stored

    monkeypatch.setattr(ArtifactStore, "put", slow)
    assert _put(api, job).json()["code"] == "stale_lease"
    assert (_visible(api, job), served.artifacts()) == ([], [])


def test_an_unreported_epoch_is_refused(api: TestClient, served: Rig, job: Job) -> None:
    answer = _put(api, job, epoch=2)
    assert (answer.status_code, answer.json()["code"]) == (409, "report_gap")
    assert served.artifacts() == []


def test_a_file_that_went_missing_is_said_so(api: TestClient, served: Rig, job: Job) -> None:
    record = _put(api, job).json()
    (file,) = served.tuner.context.artifacts.root.rglob("*.safetensors")
    for damage in (lambda: file.write_bytes(CONTENT[:7]), file.unlink):
        damage()
        answer = api.get(f"{API}/checkpoints/{record['id']}/artifact")
        assert (answer.status_code, answer.json()["code"]) == (422, "corrupt_artifact")
        assert "missing or truncated; use another checkpoint" in answer.json()["detail"]
