"""A worker's groups: how many trials it takes on, and that running out of memory costs no epoch."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import torch

from hpsearch.errors import StaleLease
from hpsearch.spec.language.states import Decision, FailureReason, JobKind, TrialState
from hpsearch.spec.study import parse_study
from hpsearch.spec.wire.jobs import Decisions, Job, JobDecision
from hpsearch.training.group.group import Group
from hpsearch.training.group.group_size import GroupSize, GroupSizes
from workers.capacity import FIRST
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


@pytest.fixture
def grouping(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the engine is said to have measured."""
    measured: dict[str, Any] = {"size": 8, "epoch_seconds": 1e-3}

    def choose(self: GroupSizes, _plan: Any) -> GroupSize:
        return GroupSize(measured["size"], "as measured", measured["epoch_seconds"])

    monkeypatch.setattr(GroupSizes, "choose", choose)
    return measured


def test_a_worker_leases_more_once_it_knows_that_more_pay(grouping: dict[str, Any]) -> None:
    client = FakeClient(20)
    worker = runner(client)
    assert worker.work()
    assert client.asked == [FIRST, 64 - FIRST]
    assert {end.training.group for end in client.ends.values()} == {6, 7}
    assert {end.training.why for end in client.ends.values()} == {"as measured"}
    assert not worker.work()
    assert client.asked[2:] == [64]


def test_trials_that_would_wait_long_are_given_back_and_not_asked_for(
    grouping: dict[str, Any],
) -> None:
    grouping |= {"size": 1, "epoch_seconds": 100.0}
    client = FakeClient(20)
    worker = runner(client)
    worker.work()
    assert list(client.ends) == [1]
    assert client.failures == dict.fromkeys([2, 3, 4], FailureReason.RELEASED)
    worker.work()
    assert client.asked == [FIRST, 1]


def test_a_given_capacity_holds(grouping: dict[str, Any]) -> None:
    grouping |= {"size": 1, "epoch_seconds": 100.0}
    client = FakeClient(5)
    runner(client, capacity=5).work()
    assert client.asked == [5]
    assert sorted(client.ends) == [1, 2, 3, 4, 5]
    assert {end.training.group for end in client.ends.values()} == {1}


def test_a_group_s_ends_go_in_one_request_behind_its_checkpoints(grouping: dict[str, Any]) -> None:
    client = FakeClient(FIRST)
    runner(client).work()
    assert [name for name, _ in client.calls] == ["store", "complete"]
    assert client.calls[1][1] == [1, 2, 3, 4]


def test_a_lost_lease_costs_the_others_nothing(grouping: dict[str, Any]) -> None:
    client = FakeClient(FIRST, lost=2)
    runner(client).work()
    assert sorted(client.ends) == [1, 3, 4]


@pytest.mark.parametrize("step", [0, 3, 6, 8])  # of 4 in each of 3 epochs
def test_memory_that_runs_out_halves_the_group_and_repeats_no_epoch(
    monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    expected = FakeClient(4)
    runner(expected, capacity=4).work()
    taken = {job: end.test_metrics for job, end in expected.ends.items()}

    client, steps = FakeClient(4), 0
    original = Group.__init__

    def init(group: Group, *arguments: Any, **options: Any) -> None:
        original(group, *arguments, **options)
        compute = group._task.loss_and_gradients

        def failing(*arguments: Any) -> Any:
            nonlocal steps
            if len(group.numbers) == 4:
                steps += 1
                if steps > step:
                    raise torch.OutOfMemoryError("full")
            return compute(*arguments)

        monkeypatch.setattr(group._task, "loss_and_gradients", failing)

    monkeypatch.setattr(Group, "__init__", init)
    monkeypatch.setattr(GroupSizes, "choose", lambda _self, _plan: GroupSize(4, "as measured"))
    runner(client, capacity=4).work()
    assert client.epochs == {job: [0, 1, 2] for job in (1, 2, 3, 4)}, "each epoch is trained once"
    assert {end.state for end in client.ends.values()} == {TrialState.COMPLETE}
    assert {job: end.test_metrics for job, end in client.ends.items()} == taken
    assert {end.training.group for end in client.ends.values()} == {2}


def test_a_trial_that_does_not_fit_alone_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr("workers.job_setup.group_for", full)
    client = FakeClient(3)
    runner(client, capacity=3).work()
    assert client.failures == dict.fromkeys([1, 2, 3], FailureReason.OUT_OF_MEMORY)
