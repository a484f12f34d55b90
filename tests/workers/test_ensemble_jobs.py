"""Ensembles on a worker: built, asked, given back, and why they fail."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from built_ensembles import built, rows
from inside import Inside, document

import hpsearch
from hpsearch.errors import (
    Conflict,
    CorruptArtifact,
    InvalidInput,
    NotFound,
    ServerUnreachable,
    StaleLease,
    StorageFull,
    TrainingFailed,
    Unauthorized,
)
from hpsearch.spec.language.states import EnsembleState, FailureReason
from hpsearch.spec.wire.jobs import EnsembleJob, PredictJob
from hpsearch.spec.wire.records import Checkpoint
from workers import ensemble_jobs
from workers.context import WorkerContext
from workers.failures import WorkerStopping
from workers.job_kinds import SingleJobs


def test_an_ensemble_is_built_asked_and_loaded(inside: Inside) -> None:
    study = inside.trained(training={"epochs": 3})
    ensemble = built(inside, study, size=3)
    ticket = inside.api.post(
        f"/api/v1/ensembles/{ensemble.id}:predict", json={"inputs": rows().tolist()}
    ).json()
    inside.work()
    answer = inside.api.get(f"/api/v1/jobs/{ticket['job']}").json()
    assert answer["state"] == "done"
    loaded = hpsearch.load_ensemble(ensemble.content())
    assert answer["result"]["labels"] == loaded.predict(rows()).tolist()
    assert answer["result"]["probabilities"] == loaded.predict_probabilities(rows()).tolist()


def test_rows_that_do_not_fit_are_refused_in_a_sentence(inside: Inside) -> None:
    ensemble = built(inside, inside.trained(training={"epochs": 1}))
    answer = inside.api.post(f"/api/v1/ensembles/{ensemble.id}:predict", json={"inputs": [[1, 2]]})
    inside.work()
    told = inside.api.get(f"/api/v1/jobs/{answer.json()['job']}").json()
    assert told["state"] == "failed"
    assert told["result"] == {"error": "x: must have the shape [rows, 13], got [1, 2]"}


def damage(inside: Inside, one: Checkpoint, of: str, change: Callable[[bytes], bytes]) -> None:
    root = inside.rig.tuner.context.artifacts.root
    folder = root / f"studies/{one.study_id}/trials"
    sha256 = one.sha256 if of == "checkpoint" else one.predictions_sha256
    assert sha256 is not None
    (path,) = folder.rglob(f"*-{sha256[:16]}.safetensors")
    path.write_bytes(change(path.read_bytes()))


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


BOTH = ("checkpoint", "predictions")


@pytest.mark.parametrize(
    ("how", "what"),
    [
        ("flipped", ("predictions",)),
        ("gone", ("predictions",)),
        ("flipped", BOTH),
        ("truncated", BOTH),
        ("truncated", ("checkpoint",)),
    ],
)
def test_damage_is_named_and_the_rest_goes_on(
    inside: Inside, how: str, what: tuple[str, ...]
) -> None:
    study = inside.trained(training={"epochs": 3}, search={"trials": 3})
    before = built(inside, study, kind="top_k", size=3)
    assert not before.warnings
    victim = before.members[1]
    (harmed,) = (
        one for one in inside.checkpoints(study, victim.trial) if one.epoch == victim.epoch
    )
    changes: dict[str, Callable[[bytes], bytes]] = {
        "flipped": flipped,
        "truncated": lambda content: content[:-7],
        "gone": lambda content: b"",
    }
    for of in what:
        damage(inside, harmed, of, changes[how])
    after = built(inside, study, kind="top_k", size=3)
    (warning,) = after.warnings
    name = f"checkpoint {harmed.id} of trial {victim.trial}, epoch {victim.epoch}: "
    assert warning.startswith(name)
    if "checkpoint" in what:
        assert warning.endswith("; it is left out")
        assert warning.count("it is left out") == 1
        assert (victim.trial, victim.epoch) not in [(m.trial, m.epoch) for m in after.members]
    else:
        assert warning.endswith("; they have been made again from the weights")
        assert after.members == before.members
    assert hpsearch.load_ensemble(after.content()).predict(rows()).shape == (18,)


def test_nothing_whole_fails_with_the_first_reason(inside: Inside) -> None:
    study = inside.trained(training={"epochs": 1}, search={"trials": 1})
    (only,) = inside.checkpoints(study, 0)
    damage(inside, only, "checkpoint", flipped)
    damage(inside, only, "predictions", flipped)
    ensemble = study.build_ensemble()
    inside.work()
    with pytest.raises(Conflict, match=r"at least one whole checkpoint.* trial 0, epoch 0"):
        ensemble.wait(timeout_seconds=0)


def test_states_whose_predictions_were_lost_are_predicted_anew(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(
            "workers.trial_ends.TrialEnds._predict", lambda self, states: [None] * len(states)
        )
        study = inside.trained(training={"epochs": 2})
    ensemble = built(inside, study, kind="top_k", size=2)
    assert [warning for warning in ensemble.warnings if "were not stored" in warning]
    again = inside.trained(training={"epochs": 2})
    assert built(inside, again, kind="top_k", size=2).test == ensemble.test


class FakeServer:
    """What a worker says to its server."""

    def __init__(self) -> None:
        self.failed: list[tuple[FailureReason, str]] = []
        self.advanced: list[Any] = []

    def fail(self, job: Any, failure: Any) -> None:
        self.failed.append((failure.reason, failure.message))

    def report_progress(self, job: Any, progress: Any) -> None:
        self.advanced.append(progress)


def single_jobs(server: Any) -> SingleJobs:
    """A worker that talks to this server, and has no data sets."""
    parts: Any = (server, None, None)
    return SingleJobs(WorkerContext(*parts, torch.device("cpu"), threading.Event(), 1000.0))


def a_job(**fields: Any) -> EnsembleJob:
    return EnsembleJob(
        id=1, attempt=1, study_id=1, ensemble=1, request={"kind": "greedy"}, spec=dict(document()),
        candidates=[], **fields,
    )  # fmt: skip


FAILURES = [
    (InvalidInput.at("x", "no"), FailureReason.INVALID, "x: no"),
    (TrainingFailed("no"), FailureReason.INVALID, "no"),
    (StorageFull("no"), FailureReason.STORAGE_FULL, "no"),
    (CorruptArtifact("no"), FailureReason.ERROR, "no"),
    (NotFound("no"), FailureReason.ERROR, "no"),
    (torch.OutOfMemoryError("full"), FailureReason.OUT_OF_MEMORY, "memory ran out: full"),
    (ZeroDivisionError("a fault"), FailureReason.ERROR, "ZeroDivisionError: a fault"),
    (WorkerStopping(), FailureReason.RELEASED, "the worker was told to end"),
]


@pytest.mark.parametrize(
    ("error", "reason", "message"), FAILURES, ids=[type(error).__name__ for error, *_ in FAILURES]
)
def test_why_a_job_fails_is_told(
    monkeypatch: pytest.MonkeyPatch, error: Exception, reason: FailureReason, message: str
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(ensemble_jobs, "build", fail)
    server: Any = FakeServer()
    single_jobs(server).run(a_job())
    assert server.failed == [(reason, message)]


@pytest.mark.parametrize("error", [ServerUnreachable("away"), Unauthorized("who")])
def test_a_server_that_is_away_ends_no_job(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(ensemble_jobs, "build", fail)
    server: Any = FakeServer()
    with pytest.raises(type(error)):
        single_jobs(server).run(a_job())
    assert not server.failed


def test_a_job_that_is_another_s_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise StaleLease("gone")

    monkeypatch.setattr(ensemble_jobs, "build", fail)
    server: Any = FakeServer()
    single_jobs(server).run(a_job())
    assert not server.failed


def test_told_to_end_a_worker_gives_its_ensemble_back(inside: Inside) -> None:
    study = inside.trained(training={"epochs": 1})
    ensemble = study.build_ensemble()
    runner = inside.runner()
    runner._context.stop.set()
    runner.work()
    assert ensemble.refresh().state is EnsembleState.QUEUED
    inside.work()
    assert ensemble.wait(timeout_seconds=0).members


def test_progress_is_told_at_most_twice_a_second() -> None:
    server: Any = FakeServer()
    tell = ensemble_jobs.ProgressReporter(server, a_job(), threading.Event())
    for done in range(1000):
        tell(done, 1000, "choosing")
    assert 1 <= len(server.advanced) <= 3
    first = server.advanced[0]
    assert (first.done, first.total, first.what) == (0, 1000, "choosing")


def test_an_ensemble_is_fetched_once_for_many_questions(inside: Inside) -> None:
    ensemble = built(inside, inside.trained(training={"epochs": 1}))
    content, fetched = ensemble.content(), []

    class PredictServer(FakeServer):
        def fetch_ensemble(self, number: int) -> bytes:
            fetched.append(number)
            return content

        def answer_prediction(self, job: Any, said: Any) -> None:
            self.advanced.append(said.result.predictions)

    server: Any = PredictServer()
    jobs = single_jobs(server)
    for number in range(3):
        jobs.run(
            PredictJob(
                id=number + 1, attempt=1, study_id=1, ensemble=1, sha256="a", inputs=rows().tolist()
            )
        )
    assert fetched == [1]
    assert len(server.advanced) == 3
    assert np.unique(np.array(server.advanced), axis=0).shape[0] == 1
    assert io.BytesIO(content).read(2) == b"PK"


def test_ensembles_come_before_trials_that_were_leased_with_them(inside: Inside) -> None:
    study = inside.trained(training={"epochs": 1})
    ensemble = study.build_ensemble()
    inside.client.submit(document(training={"epochs": 2}))
    order: list[str] = []

    def listen(client: Any) -> None:
        report, keep = client.report, client.store_ensemble
        client.report = lambda *given: (order.append("epoch"), report(*given))[1]
        client.store_ensemble = lambda *given: (order.append("ensemble"), keep(*given))[1]

    runner = inside.runner(change=listen)
    runner.work()
    assert set(order) == {"ensemble", "epoch"}
    assert order[0] == "ensemble"
    assert ensemble.refresh().members
