"""What breaks a group while it trains: each trial comes to what it would have come to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from fake_client import EPOCHS, FakeClient, runner
from group_training import fused
from inside import Inside, document
from stored_states import stored_states

from hpsearch.client.client import Study
from hpsearch.errors import Conflict, StorageFull
from hpsearch.spec.language.states import TrialState
from hpsearch.training.group.group import Group
from hpsearch.training.group.group_size import GroupSize, GroupSizes

KEEPING = {"checkpoints": {"every": 4}}


def check_untroubled(inside: Inside, study: Study, **sections: Any) -> None:
    """Holds a study to one that nothing happened to."""
    expected = inside.trained(**sections)
    for number in (0, 1):
        assert study.trial(number).state is TrialState.COMPLETE
        assert study.trial(number).attempt == 1
        assert stored_states(inside, study, number) == stored_states(inside, expected, number)


def failing_checkpoints(
    monkeypatch: pytest.MonkeyPatch, number: int, epoch: int, error: Exception
) -> list[int]:
    """Lets the first checkpoint of a trial after this epoch fail; how often one did."""
    failed: list[int] = []
    checkpoint = Group.checkpoint

    def scarce(group: Group, wanted: int) -> bytes:
        trial = group._trials[group._row(wanted)]
        if not failed and wanted == number and trial.epoch > epoch:
            failed.append(trial.epoch - 1)
            raise error
        return checkpoint(group, wanted)

    monkeypatch.setattr(Group, "checkpoint", scarce)
    return failed


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("epoch", [1, 3, 9])
@pytest.mark.parametrize("error", [torch.OutOfMemoryError("full"), RuntimeError("a fault")])
def test_a_state_that_could_not_be_taken_is_taken_again(
    inside: Inside, monkeypatch: pytest.MonkeyPatch, number: int, epoch: int, error: Exception
) -> None:
    with monkeypatch.context() as patch:
        failed = failing_checkpoints(patch, number, epoch, error)
        study = fused(inside, **KEEPING)
    assert failed
    check_untroubled(inside, study, **KEEPING)


def test_a_trial_that_diverged_beside_one_without_memory_has_diverged(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = failing_checkpoints(monkeypatch, 1, 0, torch.OutOfMemoryError("full"))
    study = fused(
        inside,
        optimizer={"kind": "sgd", "lr": {"choice": [0.01, 1e30]}},
        training={"epochs": 1},
        search={"kind": "grid"},
    )
    assert failed
    assert (study.trial(0).state, study.trial(0).reason) == (TrialState.PRUNED, "diverged")
    assert study.trial(1).state is TrialState.COMPLETE


def breaking(monkeypatch: pytest.MonkeyPatch, epoch: int) -> list[int]:
    """Lets a group of several trials break in its training of an epoch."""
    broken: list[int] = []
    train = Group._epoch

    def fragile(group: Group) -> Any:
        if len(group.numbers) > 1 and group._trials[0].epoch == epoch:
            broken.append(epoch)
            raise RuntimeError("a fault")
        return train(group)

    monkeypatch.setattr(Group, "_epoch", fragile)
    return broken


@pytest.mark.parametrize("epoch", [2, 8])
@pytest.mark.parametrize("stores_every", [3.0, 1e9])
def test_what_a_broken_group_had_come_to_is_not_lost(
    inside: Inside, monkeypatch: pytest.MonkeyPatch, epoch: int, stores_every: float
) -> None:
    """Its trials go on alone; epochs and best states of theirs that waited are sent."""
    monkeypatch.setattr(GroupSizes, "choose", lambda self, plan: GroupSize(8, "as measured"))
    with monkeypatch.context() as patch:
        broken = breaking(patch, epoch)
        study = inside.client.submit(document(**KEEPING))
        worker = inside.runner(checkpoint_seconds=stores_every)
        train = worker._train_group

        def then_often(trials: Any) -> None:
            if len(trials) == 1:
                worker._context = replace(worker._context, checkpoint_seconds=1.0)
            train(trials)

        patch.setattr(worker, "_train_group", then_often)
        inside.work(worker)
    assert broken
    check_untroubled(inside, study.refresh(), **KEEPING)


@pytest.mark.parametrize("error", [Conflict("set aside"), StorageFull("no room")])
def test_a_server_that_gives_no_more_trials_costs_none_of_those_held(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(GroupSizes, "choose", lambda self, plan: GroupSize(8, "as measured"))
    client = FakeClient(20)
    lease: Callable[[int], Any] = client.lease

    def once(capacity: int) -> Any:
        if client.asked:
            raise error
        return lease(capacity)

    monkeypatch.setattr(client, "lease", once)
    assert runner(client).work()
    assert sorted(client.ends) == [1, 2, 3, 4]
    assert client.epochs == {job: list(range(EPOCHS)) for job in (1, 2, 3, 4)}
