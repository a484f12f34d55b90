"""A trial's numbers are its own: whatever else is in the group, and whatever happens to it."""

from __future__ import annotations

import math

import pytest
import torch
from group_variants import VARIANTS, plans, varied
from studies import curves, study, trained, untimed

from hpsearch.training.checkpoints import checkpoint as checkpoints
from hpsearch.training.group.group import Group, Plan, group_key


@pytest.mark.parametrize("name", VARIANTS)
def test_together_and_alone_are_the_same(name):
    chosen = [varied(plan, k) for k, plan in enumerate(plans(name))]
    assert len({plan.spec.model_dump_json() for plan in chosen}) == 3
    together = curves(Group(chosen, dtype=torch.float64))
    for plan in chosen:
        alone, _ = trained(plan, dtype=torch.float64)
        for one, other in zip(together[plan.number], alone, strict=True):
            assert untimed(one) == pytest.approx(untimed(other), rel=1e-9, abs=1e-11)
        assert len(together[plan.number]) == len(alone)


def test_the_order_of_a_group_s_trials_changes_nothing():
    chosen = [varied(plan, k) for k, plan in enumerate(plans("dropout"))]
    forward, backward = curves(Group(chosen)), curves(Group(chosen[::-1]))
    for number, reports in forward.items():
        for one, other in zip(reports, backward[number], strict=True):
            assert untimed(one) == untimed(other)


def test_a_diverged_trial_is_reported_leaves_and_harms_no_other():
    good = plans("batch_norm", count=2)
    model = good[0].spec.task.model.model_dump(mode="json")
    optimizer = {"kind": "momentum", "lr": 1e30}
    wild = Plan(99, study(model=model, training={"batch_size": 16}, optimizer=optimizer), 3)
    without, beside = curves(Group(good)), curves(Group([good[0], wild, good[1]]))
    last = beside[99][-1]
    assert last.diverged
    assert not math.isfinite(last.metrics["train_loss"])
    assert len(beside[99]) < 3
    for number, reports in without.items():
        assert not any(report.diverged for report in reports)
        for one, other in zip(reports, beside[number], strict=True):
            assert untimed(one) == pytest.approx(untimed(other), rel=1e-5)


def test_dropping_a_trial_leaves_the_others_as_they_were():
    chosen = plans("adam")
    expected = curves(Group(chosen))
    group = Group(chosen)
    passes = group.epochs()
    next(passes)
    group.drop(7)
    assert group.numbers == (0, 14)
    for epoch, reports in enumerate(passes, start=1):
        for report in reports:
            assert untimed(report) == pytest.approx(
                untimed(expected[report.number][epoch]), rel=1e-5
            )
    with pytest.raises(KeyError, match="trial 7 is not in this group"):
        group.drop(7)


def test_trials_of_different_length_leave_one_by_one():
    spec = study(training={"batch_size": 16})
    group = Group([Plan(0, spec, 1), Plan(1, spec, 3)])
    assert [[r.number for r in reports] for reports in group.epochs()] == [[0, 1], [1], [1]]
    assert checkpoints.read(group.checkpoint(1)).epoch == 2


def test_plans_that_cannot_share_a_group_are_refused():
    one, other = Plan(0, study(), 1), Plan(1, study(model={"kind": "linear"}), 1)
    assert group_key(one) != group_key(other)
    with pytest.raises(ValueError, match="one and the same group_key"):
        Group([one, other])
    with pytest.raises(ValueError, match="one and the same group_key"):
        Group([])


def test_numbers_of_a_trial_do_not_split_a_group():
    model = {"kind": "mlp", "hidden": [8], "dropout": 0.1, "init": "xavier_uniform"}
    one = study(optimizer={"kind": "momentum", "lr": 0.1})
    other = study(model=model, optimizer={"kind": "momentum", "lr": 0.2, "weight_decay": 0.1})
    assert group_key(Plan(0, one, 1)) == group_key(Plan(1, other, 9))
