"""Averages of stored weights are those of torch, and no others are made."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from multi_run_plans import plan_of as plan_named
from plugin_examples import plugin_study
from studies import curves, study
from torch import nn
from torch.optim.swa_utils import AveragedModel

from hpsearch.errors import CorruptArtifact, TrainingFailed
from hpsearch.inference.model import TrainedModel
from hpsearch.training.checkpoints import checkpoint as checkpoints
from hpsearch.training.checkpoints import multi_run
from hpsearch.training.checkpoints.compatibility import incompatibility
from hpsearch.training.checkpoints.soups import Soup, average, slim, with_copy_as_weights
from hpsearch.training.evaluation.evaluation import evaluate, outputs
from hpsearch.training.group.group import Plan
from hpsearch.training.group.multi_run_group import group_for

pytestmark = pytest.mark.usefixtures("installed")

SHARED = {"batch_size": 16, "init_seed": "shared"}
NORMED = {"kind": "mlp", "hidden": [8], "norm": "batch"}


def stored(plan):
    group = group_for([plan])
    curves(group)
    return group.checkpoint(plan.number)


def each_epoch(plan):
    """A trial's checkpoints, epoch by epoch."""
    group = group_for([plan])
    return [group.checkpoint(plan.number) for _ in group.epochs()]


@pytest.fixture(scope="module")
def epochs():
    return each_epoch(Plan(0, study("wine", NORMED, training={"batch_size": 16, "ema": {}}), 4))


@pytest.fixture(scope="module")
def lines():
    """Linear models of four trials that share their start."""
    model = {"kind": "linear"}
    return [
        (
            plan := Plan(k, study("wine", model, training=SHARED, optimizer=rate(lr)), 2),
            stored(plan),
        )
        for k, lr in enumerate([0.01, 0.03, 0.1, 0.3])
    ]


def rate(lr):
    return {"kind": "momentum", "lr": lr}


def module_of(blob):
    """The stored numbers as a module that torch averages."""
    saved, module = checkpoints.read(blob), nn.Module()
    for name, tensor in sorted(saved.weights.items()):
        module.register_parameter(name.replace(".", "_"), nn.Parameter(tensor))
    for name, tensor in sorted(saved.buffers.items()):
        module.register_buffer(name.replace(".", "_"), tensor)
    return module


def test_the_mean_is_that_of_torch_s_averaged_model(epochs):
    oracle = AveragedModel(module_of(epochs[0]), use_buffers=True)
    for blob in epochs:
        oracle.update_parameters(module_of(blob))
    found = checkpoints.read(average(epochs))
    first = checkpoints.read(epochs[0])
    expected = {**dict(oracle.module.named_parameters()), **dict(oracle.module.named_buffers())}
    for name, tensor in {**found.weights, **found.buffers}.items():
        torch.testing.assert_close(tensor, expected[name.replace(".", "_")].detach(), msg=name)
    assert (found.optimizer_state, found.copies, found.history) == ({}, {}, {})
    assert (found.spec, found.classes, found.epoch) == (first.spec, first.classes, 0)
    np.testing.assert_array_equal(found.standardization.shift, first.standardization.shift)


@settings(max_examples=30)
@given(st.lists(st.floats(0.01, 5), min_size=4, max_size=4))
def test_a_weighted_mean_is_numpy_s(epochs, weights):
    found = checkpoints.read(average(epochs, weights))
    each = [checkpoints.read(blob) for blob in epochs]
    for name, tensor in found.weights.items():
        stack = np.stack([one.weights[name].double().numpy() for one in each])
        np.testing.assert_allclose(tensor, np.average(stack, 0, weights), rtol=1e-5, atol=1e-6)


@settings(max_examples=30)
@given(st.lists(st.floats(0.01, 5), min_size=1, max_size=7))
def test_equal_checkpoints_give_exactly_theirs(epochs, weights):
    expected = checkpoints.read(epochs[-1])
    for shares in (None, weights):
        found = checkpoints.read(average([epochs[-1]] * len(weights), shares))
        assert all(torch.equal(found.weights[n], t) for n, t in expected.weights.items())
        assert all(torch.equal(found.buffers[n], t) for n, t in expected.buffers.items())


def test_a_linear_model_s_soup_says_the_mean_of_what_its_members_say(lines):
    plans, blobs = zip(*lines, strict=True)
    soup, _ = outputs(plans[0], average(blobs), "test")
    each = [outputs(plan, blob, "test")[0] for plan, blob in lines]
    assert not torch.allclose(each[0], each[-1], atol=0.1)
    torch.testing.assert_close(soup, torch.stack(each).mean(0), rtol=1e-4, atol=1e-5)
    loss = evaluate(plans[0], average(blobs), "test")["test_loss"]
    mean = np.mean([evaluate(plan, blob, "test")["test_loss"] for plan, blob in lines])
    assert loss <= mean  # log-loss is convex


def test_runs_are_averaged_one_by_one():
    blobs = each_epoch(plan_named("both", epochs=3))
    soup = average(blobs)
    found, each = (
        multi_run.run_checkpoints(soup),
        [multi_run.run_checkpoints(blob) for blob in blobs],
    )
    assert len(found) == 4
    assert [run.run_id for run in multi_run.read(soup)] == [
        r.run_id for r in multi_run.read(blobs[0])
    ]
    for i, run in enumerate(found):
        name = "layers.0.weight"
        mean = torch.stack([runs[i].weights[name].double() for runs in each]).mean(0)
        torch.testing.assert_close(run.weights[name], mean.float())
    assert evaluate(plan_named("both", epochs=3), soup, "test")["test_loss"] > 0


def test_a_soup_stays_as_it_is_when_a_checkpoint_is_tried(epochs):
    first = Soup(epochs[0])
    two = first.with_checkpoint(multi_run.run_checkpoints(epochs[1]))
    tried = two.with_checkpoint(multi_run.run_checkpoints(epochs[2]), 5.0)
    assert (first.count, two.count, tried.count) == (1, 2, 3)
    assert first.checkpoint() == average(epochs[:1])
    assert two.checkpoint() == average(epochs[:2])
    assert tried.checkpoint() == average(epochs[:3], [1.0, 1.0, 5.0])


def test_what_is_averaged_must_be_there_and_alike(epochs, lines):
    with pytest.raises(ValueError, match="a mean needs checkpoints and as many weights"):
        average([])
    with pytest.raises(ValueError, match="a sum above 0"):
        average(epochs, [0.0] * 4)
    with pytest.raises(TrainingFailed, match="must have the same tensors"):
        average([epochs[0], lines[0][1]])
    with pytest.raises(CorruptArtifact):
        average([epochs[0], epochs[1][:-9]])


def test_a_copy_becomes_the_weights(epochs):
    saved, found = (
        checkpoints.read(epochs[-1]),
        checkpoints.read(with_copy_as_weights(epochs[-1], "ema")),
    )
    assert all(torch.equal(found.weights[n], t) for n, t in saved.copies["ema"].weights.items())
    assert all(torch.equal(found.buffers[n], t) for n, t in saved.copies["ema"].buffers.items())
    assert (found.optimizer_state, found.copies) == ({}, {})
    with pytest.raises(TrainingFailed, match=r"trial 0 keeps none; train with training\.swa"):
        with_copy_as_weights(epochs[-1], "swa")


@pytest.mark.parametrize("name", ["both", "repeats", "plateau", "regression"])
def test_a_slim_checkpoint_predicts_the_same(name):
    plan = plan_named(name, epochs=2)
    blob = stored(plan)
    less = slim(blob)
    assert len(less) < len(blob)
    assert slim(less) == less
    for found, saved in zip(
        multi_run.run_checkpoints(less), multi_run.run_checkpoints(blob), strict=True
    ):
        assert (found.optimizer_state, found.copies, found.history) == ({}, {}, {})
        assert found.spec == saved.spec
    assert torch.equal(outputs(plan, less, "test")[0], outputs(plan, blob, "test")[0])


def test_a_slim_checkpoint_is_a_model():
    blob = slim(stored(Plan(0, study(), 1)))
    model = TrainedModel(checkpoints.read(blob), (13,))
    assert model(np.zeros((2, 13))).shape == (2, 3)


def reason(blobs, **how):
    """Why the first checkpoint cannot be averaged with one of the others."""
    first, *others = map(multi_run.run_checkpoints, blobs)
    return next((found for one in others if (found := incompatibility(first, one, **how))), None)


def trial(number=1, model=None, **sections):
    return stored(Plan(number, study(sections.pop("dataset", "wine"), model, **sections), 1))


UNLIKE = {
    "start": (
        {"training": {"batch_size": 16}},
        r"trial 1 has training\.init_seed per_trial; set training\.init_seed to shared",
    ),
    "seed": ({"training": SHARED, "seed": 5}, "of a study with seed 0, trial 1 of one with seed 5"),
    "shape": (
        {"training": SHARED, "model": {"kind": "mlp", "hidden": [9]}},
        r"layers\.0\.bias is \[8\] in trial 0 but \[9\] in trial 1",
    ),
    "names": (
        {"training": SHARED, "model": {"kind": "linear"}},
        r"layers\.0\.bias is \[8\] in trial 0 but missing in trial 1",
    ),
    "activation": (
        {"training": SHARED, "model": {"kind": "mlp", "hidden": [8], "activation": "tanh"}},
        r"task\.model\.activation differs between trial 0 and trial 1",
    ),
    "init": (
        {"training": SHARED, "model": {"kind": "mlp", "hidden": [8], "init": "orthogonal"}},
        r"task\.model\.init differs",
    ),
    "rows": (
        {"training": SHARED, "task": {"standardize": "minmax"}},
        "must see rows standardised alike",
    ),
    "split": ({"training": SHARED, "task": {"split": {"test": 0.3}}}, "standardised alike"),
    "runs": ({"training": {**SHARED, "repeats": 2}}, "trial 0 has 1 where trial 1 has 2"),
}


@pytest.mark.parametrize("name", UNLIKE)
def test_why_weights_of_two_trials_cannot_be_averaged(name):
    sections, expected = UNLIKE[name]
    found = reason([trial(0, training=SHARED), trial(**sections)])
    assert re.search(expected, found)
    assert found.count("; ") == 1  # the rule and the value; the remedy


def test_trials_with_one_start_can_be_averaged(lines, epochs):
    assert reason([blob for _, blob in lines]) is None
    assert reason([trial(k, training=SHARED, optimizer=rate(0.01 * k)) for k in (1, 2)]) is None
    dropped = {"kind": "mlp", "hidden": [8], "dropout": 0.3}
    assert reason([trial(0, training=SHARED), trial(1, dropped, training=SHARED)]) is None
    assert reason(epochs) is None  # epochs of one trial
    assert reason(epochs[:1]) is None


def test_of_one_trial_only_shapes_matter(lines, epochs):
    plain = trial(0, training={"batch_size": 16})
    assert reason([plain, trial(training={"batch_size": 16})], of_one_trial=True) is None
    assert "must have the same tensors" in reason([epochs[0], lines[0][1]], of_one_trial=True)


def test_plug_ins_that_share_a_start(installed):
    training = {"batch_size": 16, "init_seed": "shared"}
    plans = [Plan(k, plugin_study(training=training, optimizer=rate(0.1 + k)), 1) for k in (0, 1)]
    blobs = [stored(plan) for plan in plans]
    assert reason(blobs) is None
    one, other = (checkpoints.read(blob).weights["outer.weight"] for blob in blobs)
    found = checkpoints.read(average(blobs)).weights["outer.weight"]
    torch.testing.assert_close(found, (one + other) / 2)
    own = replace(plans[1], spec=plugin_study(training={"batch_size": 16}))
    assert "init_seed per_trial" in reason([blobs[0], stored(own)])
