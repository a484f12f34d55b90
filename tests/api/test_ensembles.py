"""Ensembles over HTTP: asked for, built, looked at, asked to predict; the garbage collection."""

from __future__ import annotations

import hashlib
import os
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from rig import Rig, a_result

from hpsearch.spec.language.base import as_json
from hpsearch.spec.wire.ensemble_scores import Range
from hpsearch.spec.wire.ensembles import EnsembleResult, PredictionResult
from hpsearch.spec.wire.jobs import EnsembleJob, EnsembleUpload, PredictionAnswer
from hpsearch.spec.wire.multipart import pack_ensemble
from hpsearch.store.artifacts import ArtifactStore
from hpsearch.store.checkpoints import StoredArtifact

API = "/api/v1"
FILE = b"an ensemble's file" * 100
SHA256 = hashlib.sha256(FILE).hexdigest()


@pytest.fixture
def study(served: Rig) -> int:
    """A complete study of one trial."""
    study = served.submit(search={"trials": 1}, training={"epochs": 2})
    (job,) = served.lease(served.join())
    served.train(job)
    return study


@pytest.fixture
def job(api: TestClient, served: Rig, study: int) -> EnsembleJob:
    """An ensemble of it that is being built."""
    assert _ask(api, study, kind="top_k", size=2).status_code == 202
    (job,) = served.lease(1)
    return job


def _ask(api: TestClient, study: int, **asked: Any) -> Response:
    return api.post(f"{API}/studies/{study}/ensembles", json=asked)


def _put(
    api: TestClient, job: EnsembleJob, content: bytes = FILE, sha256: str = SHA256, cut: int = 0
) -> Response:
    built = EnsembleUpload(attempt=job.attempt, sha256=sha256, result=a_result((0, 0), (0, 1)))
    body = pack_ensemble(built, content)
    return api.put(f"{API}/jobs/{job.id}/ensemble", content=body[: len(body) - cut])


def test_scores_that_are_no_numbers_travel_by_name(
    api: TestClient, served: Rig, study: int, job: EnsembleJob
) -> None:
    nan, inf = float("nan"), float("inf")
    result = a_result((0, 0), (0, 1)).model_copy(
        update={"test": {"loss": nan}, "intervals": {"loss": Range(low=nan, high=inf)}}
    )
    built = EnsembleUpload(attempt=job.attempt, sha256=SHA256, result=result)
    sent = api.put(f"{API}/jobs/{job.id}/ensemble", content=pack_ensemble(built, FILE))
    assert sent.status_code == 200, sent.text
    (record,) = _listed(api, study)
    assert record["test"] == {"loss": "NaN", "metrics": {"loss": "NaN"}}
    assert record["intervals"] == {"loss": {"low": "NaN", "high": "Infinity"}}
    asked = api.post(f"{API}/ensembles/{job.ensemble}:predict", json={"inputs": [[1.0]]}).json()
    (prediction,) = served.lease(1)
    sent = PredictionAnswer(attempt=1, result=PredictionResult(predictions=[nan, 0.5]))
    url = f"{API}/jobs/{prediction.id}"
    assert api.post(f"{url}:predicted", json=as_json(sent)).status_code == 200
    assert api.get(f"{API}/jobs/{asked['job']}").json()["result"]["predictions"] == ["NaN", 0.5]


@pytest.mark.parametrize(
    ("rows", "path", "sentence"),
    [
        (f"[[0.5], [{2**70}]]", "inputs.1", f"got [{2**70}]; write large numbers as 1e20"),
        (
            '[{"a": "\\ud800"}]',
            "inputs.0",
            "must hold numbers of at most 64 bits and valid Unicode",
        ),
        ("[]", "inputs", "must have at least 1 entry, got 0"),
    ],
)
def test_rows_that_cannot_be_stored_are_refused(
    api: TestClient, job: EnsembleJob, rows: str, path: str, sentence: str
) -> None:
    assert _put(api, job).status_code == 200
    refused = api.post(
        f"{API}/ensembles/{job.ensemble}:predict",
        content=f'{{"inputs": {rows}}}',
        headers={"Content-Type": "application/json"},
    )
    assert refused.status_code == 422
    (error,) = refused.json()["errors"]
    assert (error["path"], sentence in error["message"]) == (path, True)


def _listed(api: TestClient, study: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.get(f"{API}/studies/{study}/ensembles").json()["ensembles"]
    return found


def test_an_ensemble_has_the_names_of_the_contract(
    api: TestClient, study: int, job: EnsembleJob
) -> None:
    done = _put(api, job)
    assert (done.status_code, done.json()["state"]) == (200, "done")
    (record,) = _listed(api, study)
    found = {name: record[name] for name in ("id", "kind", "combine", "state", "size", "metric")}
    assert found == {
        "id": job.ensemble, "kind": "top_k", "combine": "mean", "state": "complete", "size": 2,
        "metric": None,
    }  # fmt: skip
    members = [{name: one[name] for name in ("trial", "epoch", "weight", "copy")}
               for one in record["members"]]  # fmt: skip
    assert members == [
        {"trial": 0, "epoch": epoch, "weight": 0.5, "copy": "raw"} for epoch in (0, 1)
    ]
    for part, scores in (
        ("validation", {"accuracy": 0.9, "loss": 0.3}),
        ("test", {"accuracy": 0.8, "loss": 0.4}),
    ):
        assert record[part] == {**scores, "metrics": scores}
        single = record["best_single"][part]
        assert single["metrics"] == {name: single[name] for name in ("accuracy", "loss")}
    assert record["headline"] == "accuracy"
    assert (record["size_bytes"], record["sha256"]) == (len(FILE), SHA256)
    assert api.get(f"{API}/ensembles/{job.ensemble}").json() == record
    assert api.get(f"{API}/studies/{study}").json()["ensembles"] == 1


def test_asking_answers_at_once_and_once_for_a_key(api: TestClient, study: int) -> None:
    headers = {"Idempotency-Key": "k"}
    url = f"{API}/studies/{study}/ensembles"
    first, again = (api.post(url, json={"kind": "greedy"}, headers=headers) for _ in range(2))
    assert (first.status_code, again.json()) == (202, first.json())
    record = first.json()
    assert (record["state"], record["automatic"], record["members"]) == ("queued", False, [])
    assert record["request"] == {
        "kind": "greedy", "size": 10, "combine": "mean", "metric": None, "bags": 20,
    }  # fmt: skip
    assert len(_listed(api, study)) == 1


def test_a_refusal_names_the_field(api: TestClient, study: int) -> None:
    refusals = [
        ({"kind": "best"}, "kind", "must be one of greedy, top_k, reinit"),
        ({"kind": "top_k", "size": 0}, "size", "must be >= 1, got 0"),
        ({"kind": "top_k", "sise": 3}, "sise", "did you mean `size`?"),
        ({"kind": "top_k", "combine": "max"}, "combine", "got 'max'"),
        ({"kind": "ema"}, "kind", "ema needs training.ema; add it, or use average"),
        ({"kind": "top_k", "metric": "val_mae"}, "metric", "got 'val_mae'; or leave it out"),
        ({"kind": "top_k", "combine": "median"}, "combine", "the target is classes; use vote"),
    ]
    for asked, path, sentence in refusals:
        refused = _ask(api, study, **asked)
        assert refused.status_code == 422
        (error,) = refused.json()["errors"]
        assert error["path"] == path
        assert sentence in error["message"]
    assert _listed(api, study) == []


def test_what_is_not_there_is_said_so(api: TestClient, served: Rig) -> None:
    assert _ask(api, 1, kind="top_k").status_code == 404
    assert api.get(f"{API}/studies/1/ensembles").status_code == 404
    for url in ("", "/artifact"):
        assert api.get(f"{API}/ensembles/1{url}").status_code == 404
    assert api.delete(f"{API}/ensembles/1").status_code == 404
    assert api.post(f"{API}/ensembles/1:predict", json={"inputs": [[0]]}).status_code == 404
    study = served.submit()
    refused = _ask(api, study, kind="top_k")
    assert refused.status_code == 409
    assert "has none; wait for one" in refused.json()["detail"]


@pytest.mark.parametrize(
    ("content", "sha256", "cut", "code"),
    [
        (FILE, "0" * 64, 0, "corrupt_artifact"),
        (FILE, SHA256, 1, "corrupt_artifact"),
        (FILE, SHA256, len(FILE) + 1, "invalid_input"),
        (b"", SHA256, 0, "corrupt_artifact"),
    ],
)
def test_a_damaged_file_is_never_seen(
    api: TestClient, served: Rig, study: int, job: EnsembleJob,
    content: bytes, sha256: str, cut: int, code: str,
) -> None:  # fmt: skip
    before = served.artifacts()
    refused = _put(api, job, content, sha256, cut)
    assert (refused.status_code, refused.json()["code"]) == (422, code)
    assert "send it again" in refused.json()["detail"] or "header" in refused.json()["detail"]
    assert (served.artifacts(), _listed(api, study)[0]["state"]) == (before, "running")
    assert _put(api, job).status_code == 200


def test_a_result_that_breaks_a_rule_is_refused(
    api: TestClient, served: Rig, job: EnsembleJob
) -> None:
    before = served.artifacts()
    nobody = EnsembleResult.model_construct(members=[], **dict(list(a_result((0, 0)))[1:]))
    built = EnsembleUpload.model_construct(attempt=1, sha256=SHA256, result=nobody)
    refused = api.put(f"{API}/jobs/{job.id}/ensemble", content=pack_ensemble(built, FILE))
    assert (refused.status_code, served.artifacts()) == (422, before)


def test_a_stale_token_leaves_nothing(api: TestClient, served: Rig, job: EnsembleJob) -> None:
    served.run_out(job)
    before = served.artifacts()
    for answer in (
        _put(api, job),
        api.post(
            f"{API}/jobs/{job.id}:advance",
            json={"attempt": 1, "done": 1, "total": 2, "what": "it selects"},
        ),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "stale_lease")
    assert served.artifacts() == before


@pytest.mark.parametrize("verb", ["run_out", "delete"])
def test_a_file_that_comes_too_late_leaves_nothing(
    api: TestClient, served: Rig, study: int, job: EnsembleJob, monkeypatch: pytest.MonkeyPatch,
    verb: str,
) -> None:  # fmt: skip
    put = ArtifactStore.put

    def slow(store: ArtifactStore, key: str, content: bytes, sha256: str) -> StoredArtifact:
        stored = put(store, key, content, sha256)
        if verb == "run_out":
            served.run_out(job)
        else:
            served.do(lambda session: served.tuner.delete(session, study))
        return stored

    monkeypatch.setattr(ArtifactStore, "put", slow)
    assert _put(api, job).status_code == (409 if verb == "run_out" else 404)
    assert [key for key in served.artifacts() if key.endswith(".zip")] == []


def test_progress_is_seen_while_it_is_built(api: TestClient, study: int, job: EnsembleJob) -> None:
    sent = {"attempt": 1, "done": 3, "total": 10, "what": "it selects members"}
    assert api.post(f"{API}/jobs/{job.id}:advance", json=sent).json()["state"] == "leased"
    (record,) = _listed(api, study)
    assert (record["state"], record["progress"]) == (
        "running",
        {"done": 3, "total": 10, "what": "it selects members"},
    )
    _put(api, job)
    assert _listed(api, study)[0]["progress"] is None


def test_its_file_comes_back_and_goes_with_it(
    api: TestClient, served: Rig, study: int, job: EnsembleJob
) -> None:
    url = f"{API}/ensembles/{job.ensemble}"
    early = api.get(f"{url}/artifact")
    assert early.status_code == 409
    assert "is running; wait for it" in early.json()["detail"]
    _put(api, job)
    again = _put(api, job)
    assert (again.status_code, again.json()["code"]) == (409, "stale_lease")
    got = api.get(f"{url}/artifact")
    assert (got.content, got.headers["X-Content-Sha256"]) == (FILE, SHA256)
    assert f"ensemble-{job.ensemble}.zip" in got.headers["Content-Disposition"]
    (path,) = served.tuner.context.artifacts.root.rglob("*.zip")
    path.write_bytes(FILE[:9])
    damaged = api.get(f"{url}/artifact")
    assert (damaged.status_code, damaged.json()["code"]) == (422, "corrupt_artifact")
    assert "missing or truncated; build it anew" in damaged.json()["detail"]
    assert api.delete(url).status_code == 204
    assert (path.exists(), _listed(api, study)) == (False, [])


def test_rows_are_predicted_by_a_job(api: TestClient, served: Rig, job: EnsembleJob) -> None:
    url = f"{API}/ensembles/{job.ensemble}:predict"
    rows = {"inputs": [[0.5] * 13], "strict": True}
    assert api.post(url, json=rows).status_code == 409
    _put(api, job)
    assert api.post(url, json={"inputs": []}).json()["errors"][0]["path"] == "inputs"
    ticket = api.post(url, json=rows)
    assert (ticket.status_code, list(ticket.json())) == (202, ["job"])
    where = f"{API}/jobs/{ticket.json()['job']}"
    (leased,) = api.post(f"{API}/jobs:lease", json={"worker": 1, "capacity": 4}).json()["jobs"]
    assert leased == {
        "id": ticket.json()["job"], "attempt": 1, "study_id": 1, "kind": "predict",
        "ensemble": job.ensemble, "sha256": SHA256, **rows,
    }  # fmt: skip
    result = {
        "predictions": [2], "labels": ["c"], "probabilities": [[0.0, 0.25, 0.75]],
        "unknown": {"town": 1},
    }  # fmt: skip
    answer = api.post(f"{where}:predicted", json={"attempt": 1, "result": result})
    assert (answer.status_code, api.get(where).json()) == (200, answer.json())
    assert (answer.json()["state"], answer.json()["result"]) == ("done", result)
    assert api.post(f"{where}:predicted", json={"attempt": 1, "result": result}).status_code == 409


@pytest.mark.parametrize("labels", [[True, False], [1, 0], [1.0, 0.0], [0.5, 2], ["1", "true"]])
def test_labels_keep_their_type(
    api: TestClient, served: Rig, job: EnsembleJob, labels: list[Any]
) -> None:
    _put(api, job)
    url = f"{API}/ensembles/{job.ensemble}:predict"
    ticket = api.post(url, json={"inputs": [[0.5], [1]]}).json()["job"]
    (leased,) = api.post(f"{API}/jobs:lease", json={"worker": 1}).json()["jobs"]
    assert leased["strict"] is False
    result = {"predictions": [1, 0], "labels": labels, "probabilities": [[0, 1], [1, 0]]}
    sent = {"attempt": 1, "result": result}
    answer = api.post(f"{API}/jobs/{ticket}:predicted", json=sent).json()["result"]["labels"]
    assert repr(answer) == repr([type(labels[0])(label) for label in labels])


def test_a_checkpoint_may_be_pinned(api: TestClient, served: Rig, study: int) -> None:
    (first, _) = served.checkpoints(study)
    url = f"{API}/checkpoints/{first.id}"
    assert api.post(f"{url}:pin").json()["pinned"] is True
    assert api.get(url).json()["pinned"] is True
    assert api.post(f"{url}:unpin").json()["pinned"] is False
    missing = api.get(f"{url}/predictions")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    assert api.post(f"{API}/checkpoints/99:pin").status_code == 404


def test_rubbish_is_collected_after_a_dry_run(api: TestClient, served: Rig, study: int) -> None:
    needed = served.artifacts()
    old = served.tuner.context.artifacts.put("studies/9/old", b"12345")
    served.tuner.context.artifacts.put("studies/9/young", b"1")
    os.utime(served.tuner.context.artifacts.path(old.key), (0, 0))
    url = f"{API}/artifacts:collect"
    preview = api.post(url, json={"dry_run": True}).json()
    assert preview == {
        "dry_run": True,
        "files": [{"key": "studies/9/old", "size_bytes": 5, "why": "nothing refers to it"}],
        "size_bytes": 5,
    }
    assert served.artifacts() == sorted([*needed, "studies/9/old", "studies/9/young"])
    assert api.post(url, json={}).json() == {**preview, "dry_run": False}
    assert served.artifacts() == sorted([*needed, "studies/9/young"])
    refused = api.post(url, json={"older_than_seconds": 1})
    assert refused.json()["errors"][0]["path"] == "older_than_seconds"


def test_an_uploaded_data_set_is_no_rubbish(api: TestClient, served: Rig) -> None:
    rows = "a,b,label\n" + "".join(f"{i},{i * i},{'xy'[i % 2]}\n" for i in range(40))
    sent = api.post(
        f"{API}/datasets", data={"name": "mine", "target": "label"}, files={"file": ("m.csv", rows)}
    )
    assert sent.status_code == 201, sent.text
    for key in served.artifacts():
        os.utime(served.tuner.context.artifacts.path(key), (0, 0))
    assert len(served.artifacts()) == 1
    assert api.post(f"{API}/artifacts:collect", json={}).json()["files"] == []
