"""A worker's groups: how many trials it takes on, and that running out of memory costs no epoch."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from fake_client import FakeClient, runner

from hpsearch.spec.language.states import FailureReason, TrialState
from hpsearch.training.group.group import Group
from hpsearch.training.group.group_size import GroupSize, GroupSizes
from workers.capacity import FIRST


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
