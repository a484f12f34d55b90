"""A runner, and a server's client that hands it trials and keeps what it is sent."""

from __future__ import annotations

import threading
from typing import Any

import torch

from hpsearch.errors import StaleLease
from hpsearch.spec.language.states import Decision, FailureReason, JobKind
from hpsearch.spec.study import parse_study
from hpsearch.spec.wire.jobs import Decisions, Job, JobDecision
from workers.context import WorkerContext
from workers.runner import Runner

torch.set_num_threads(1)

SPEC = {
    "name": "groups",
    "task": {"dataset": "wine", "model": {"kind": "mlp", "hidden": [4]}},
    "optimizer": {"lr": {"log_uniform": [1e-4, 1e-1]}},
    "objective": {"metric": "val_accuracy", "direction": "maximize"},
}
EPOCHS = 3


class FakeClient:
    """A server that has so many trials, and remembers what it was told."""

    def __init__(self, trials: int, *, lost: int | None = None) -> None:
        document = parse_study(SPEC).model_dump(mode="json")
        self.queue = [
            Job(
                id=k + 1, kind=JobKind.TRIAL, attempt=1, study_id=1, trial=k, epochs=EPOCHS,
                params={"optimizer.lr": 0.001 * (k + 1)}, spec=document,
            )
            for k in range(trials)
        ]  # fmt: skip
        self.lost = lost
        self.asked: list[int] = []
        self.calls: list[Any] = []
        self.epochs: dict[int, list[int]] = {}
        self.stored: dict[int, list[int]] = {}
        self.ends: dict[int, Any] = {}
        self.failures: dict[int, FailureReason] = {}

    def lease(self, capacity: int) -> list[Job]:
        self.asked.append(capacity)
        given, self.queue = self.queue[:capacity], self.queue[capacity:]
        return given

    def begin(self, jobs: Any) -> set[int]:
        return {job.id for job in jobs}

    def report(self, reports: Any) -> Decisions:
        for report in reports:
            self.epochs.setdefault(report.job, []).append(report.epoch)
        return Decisions(
            decisions=[
                JobDecision(job=job, decision=Decision.CONTINUE) for job in {r.job for r in reports}
            ]
        )

    def _refuse(self, jobs: Any) -> None:
        if self.lost in jobs:
            raise StaleLease("its lease is gone")

    def store_checkpoints(self, checkpoints: Any) -> None:
        self._refuse([sent.job for sent, _ in checkpoints])
        self.calls.append(("store", [sent.job for sent, _ in checkpoints]))
        for sent, content in checkpoints:
            assert sent.epoch in self.epochs[sent.job], "an epoch is reported before its checkpoint"
            assert len(content) == sent.size_bytes
            self.stored.setdefault(sent.job, []).append(sent.epoch)

    def complete(self, completions: Any) -> None:
        self._refuse([end.job for end in completions])
        self.calls.append(("complete", [end.job for end in completions]))
        for end in completions:
            assert EPOCHS - 1 in self.stored[end.job], "a trial ends after its last checkpoint"
            self.ends[end.job] = end

    def fail(self, job: Job, failure: Any) -> None:
        self.failures[job.id] = failure.reason


class FakeHeartbeat:
    def hold(self, jobs: Any) -> None: ...
    def release(self, job: Any) -> None: ...
    def has_lost(self, job: Any) -> bool:
        return False


def runner(client: FakeClient, capacity: int | None = None) -> Runner:
    parts: Any = (client, None, FakeHeartbeat())
    context = WorkerContext(*parts, torch.device("cpu"), threading.Event(), 1000.0)
    return Runner(context, capacity)
