"""The size of a group follows measured steps and free memory, once per shape."""

from __future__ import annotations

import pytest
import torch
from studies import study

from hpsearch.training.group import group_size
from hpsearch.training.group.group_size import GroupSizes
from hpsearch.training.group.step_cost import StepCost, measure_step_cost
from hpsearch.training.tasks.plan import Plan

CPU = torch.device("cpu")


def plan(number: int = 0, **sections) -> Plan:
    return Plan(number, study(**sections), 3)


def script(monkeypatch, seconds, *, trial_bytes=1, free=2**40, whole=0.0):
    """Makes steps cost what is written; gives the sizes that are tried."""
    tried = []

    def scripted(_plan, size, _device, _most):
        tried.append(size)
        found = seconds[size]
        if isinstance(found, Exception):
            raise found
        return StepCost(found, 0.0, whole, 10, trial_bytes)

    monkeypatch.setattr(group_size, "measure_step_cost", scripted)
    monkeypatch.setattr(group_size, "free_bytes", lambda _device: free)
    return tried


@pytest.mark.parametrize(
    ("seconds", "size", "why"),
    [
        ({1: 10.0, 4: 3.0, 16: 2.0, 64: 1.0}, 64, "64 at once: 1e+03 ms a step and trial"),
        ({1: 10.0, 4: 3.0, 16: 1.02, 64: 1.0}, 16, "16 at once"),  # as good as
        ({1: 10.0, 4: 9.5, 16: 9.2, 64: 9.2}, 1, "one by one: 1e+04 ms a step, 9.2e+03 ms with 16"),
        ({1: 10.0, 4: 11.0, 16: 12.0, 64: 12.0}, 1, "one by one"),
        ({1: 10.0, 4: 5.0, 16: 7.0}, 4, "4 at once"),  # 64 is not even tried
    ],
)
def test_the_smallest_size_near_the_best_is_taken(monkeypatch, seconds, size, why):
    tried = script(monkeypatch, seconds)
    found = GroupSizes(CPU).choose(plan())
    assert found.size == size
    assert found.why.startswith(why)
    assert tried == list(seconds)
    assert found.epoch_seconds == seconds[size] * 10


def test_memory_bounds_the_group(monkeypatch):
    tried = script(monkeypatch, {1: 8.0, 4: 2.0}, trial_bytes=100, free=1000)
    found = GroupSizes(CPU).choose(plan())
    assert (found.size, tried) == (4, [1, 4])
    assert found.why.endswith("memory has no room for more")
    tried = script(monkeypatch, {1: 8.0}, trial_bytes=400, free=1000)
    assert GroupSizes(CPU).choose(plan()).why.startswith("one by one: memory has no room for more")


def test_memory_that_runs_out_while_measuring_bounds_the_group(monkeypatch):
    script(monkeypatch, {1: 8.0, 4: 2.0, 16: torch.OutOfMemoryError("full")})
    assert GroupSizes(CPU).choose(plan()).size == 4
    script(monkeypatch, {1: MemoryError()})
    assert GroupSizes(CPU).choose(plan()).size == 1


def test_long_steps_are_not_measured_together(monkeypatch):
    tried = script(monkeypatch, {1: 8.0}, whole=group_size.SECONDS)
    found = GroupSizes(CPU).choose(plan())
    assert (found.size, tried) == (1, [1])
    assert "a step takes too long to try" in found.why


def test_other_errors_are_the_trial_s_own(monkeypatch):
    script(monkeypatch, {1: RuntimeError("shapes do not fit")})
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        GroupSizes(CPU).choose(plan())


def test_a_shape_is_measured_once_whatever_the_study_s_seed(monkeypatch):
    tried = script(monkeypatch, {1: 8.0, 4: 9.0, 16: 9.0, 64: 9.0})
    sizes = GroupSizes(CPU)
    sizes.choose(plan())
    sizes.choose(plan(7, seed=5, optimizer={"kind": "momentum", "lr": 0.5}))
    assert tried == [1, 4, 16, 64]
    sizes.choose(plan(model={"kind": "mlp", "hidden": [9]}))
    assert len(tried) == 8


def test_a_group_that_ran_out_of_memory_is_halved_for_good(monkeypatch):
    script(monkeypatch, {1: 8.0, 4: 2.0, 16: 1.0, 64: 0.5})
    sizes = GroupSizes(CPU)
    assert sizes.choose(plan()).size == 64
    assert sizes.ran_out(plan(), 10).why == "5 at once: memory ran out with 10"
    assert sizes.choose(plan()).size == 5
    assert sizes.ran_out(plan(), 64).size == 5, "a larger group says nothing new"
    assert sizes.ran_out(plan(), 2).why == "one by one: memory ran out with 2"


@pytest.mark.parametrize(
    "chosen",
    [
        plan(),
        plan(dataset="quadratic"),
        plan(optimizer={"kind": "lbfgs", "lr": 1.0}),
        plan(training={"accumulate": 3}, model={"kind": "mlp", "hidden": [4], "norm": "batch"}),
        plan(
            dataset="digits",
            model={"kind": "cnn", "filters": 2},
            training={"train_fraction": 0.1, "data_order": "per_trial"},
        ),
    ],
    ids=["mlp", "quadratic", "lbfgs", "accumulate", "cnn"],
)
def test_steps_of_any_trial_can_be_measured(chosen):
    found = measure_step_cost(chosen, 3, CPU, 0.05)
    assert 0 < found.seconds <= found.whole / 3
    assert found.first > 0
    assert found.trial_bytes > 0
