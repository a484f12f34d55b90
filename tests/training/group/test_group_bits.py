"""On a CPU with one thread a trial's curve is the same to the last bit in any group.

So the number of trials that train together may follow the clock, and a trial that is resumed in
another group goes on exactly.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from group_variants import VARIANTS, plans, varied
from studies import curves, study, untimed

from hpsearch.training.group.group import Group, Plan

OTHERS = {
    "gelu": {"model": {"kind": "mlp", "hidden": [7, 5], "activation": "gelu"}},
    "silu": {"model": {"kind": "mlp", "hidden": [3], "activation": "silu"}},
    "sigmoid": {"model": {"kind": "mlp", "hidden": [33], "activation": "sigmoid", "norm": "batch"}},
    "tanh": {"model": {"kind": "mlp", "hidden": [5], "activation": "tanh", "norm": "layer"}},
    "one_row_left": {"training": {"batch_size": 53}},
    "blocks_of_channels": {
        "dataset": "digits",
        "model": {"kind": "cnn", "filters": 16, "norm": "batch"},
        "training": {"batch_size": 64, "train_fraction": 0.1},
    },
    "one_image_left": {
        "dataset": "digits",
        "model": {"kind": "resnet", "width": 16},
        "training": {"batch_size": 32, "train_fraction": 65 / 1078},
    },
    "whole_vectors": {
        "model": {"kind": "mlp", "hidden": [8], "norm": "batch"},
        "optimizer": {"kind": "adam", "lr": 0.01},
        "training": {"batch_size": 32},
    },
    "muon": {"optimizer": {"kind": "muon", "lr": 0.01}},
}


def chosen(name: str) -> list[Plan]:
    if name in VARIANTS:
        return [varied(plan, k) for k, plan in enumerate(plans(name, epochs=2))]
    fields = dict(OTHERS[name])
    training = {"batch_size": 16, **fields.pop("training", {})}
    return [
        Plan(k, varied(Plan(k, study(training=training, **fields), 2), k).spec, 2) for k in range(3)
    ]


@pytest.mark.parametrize("name", [*VARIANTS, *OTHERS])
def test_a_trial_s_bits_do_not_depend_on_its_group(name: str) -> None:
    trials = chosen(name)
    alone = {plan.number: curves(Group([plan]))[plan.number] for plan in trials}
    more = [replace(trials[0], number=100 + extra) for extra in range(6)]
    groups = [
        curves(Group(trials[1:])),
        curves(Group([*more[:1], *trials])),
        curves(Group([*more, *trials[::-1]])),
    ]
    for found in groups:
        for plan in trials:
            if plan.number in found:
                expected = [untimed(report) for report in alone[plan.number]]
                assert [untimed(report) for report in found[plan.number]] == expected


@pytest.mark.parametrize("name", ["mlp", "dropout", "batch_norm", "cnn", "averages", "images"])
def test_a_group_of_any_mix_of_epochs_goes_on_exactly(name: str) -> None:
    trials = chosen(name)
    alone = {plan.number: curves(Group([plan]))[plan.number] for plan in trials}
    first = Group(trials[:1])
    next(first.epochs())
    number = trials[0].number
    mixed = curves(Group(trials, resume={number: first.checkpoint(number)}))
    for plan in trials:
        expected = [untimed(report) for report in alone[plan.number]]
        expected = expected[1:] if plan.number == number else expected
        assert [untimed(report) for report in mixed[plan.number]] == expected


def test_dropping_trials_leaves_every_bit_of_the_others() -> None:
    trials = chosen("adam")
    expected = curves(Group(trials[2:]))[trials[2].number]
    group = Group(trials)
    passes = group.epochs()
    found = [next(passes)[2]]
    group.drop(trials[0].number)
    found.append(next(passes)[1])
    assert [untimed(report) for report in found] == [untimed(report) for report in expected]
    assert torch.get_num_threads() == 1
