"""Running statistics made anew are those of torch's own way to do it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from plugin_examples import fields, plugin_study, rows
from studies import curves, same, study
from torch import nn
from torch.optim.swa_utils import update_bn

from hpsearch.training.checkpoints import checkpoint as checkpoints
from hpsearch.training.checkpoints import multi_run
from hpsearch.training.data.datasets import dataset_for
from hpsearch.training.data.folds import Fold
from hpsearch.training.evaluation.batch_norm import with_fresh_statistics
from hpsearch.training.group.group import Group, Plan
from hpsearch.training.group.multi_run_group import group_for
from hpsearch.training.tasks.plugin import PluginTask

pytestmark = pytest.mark.usefixtures("installed")

CPU = torch.device("cpu")
NORMED = {"kind": "mlp", "hidden": [8, 5], "activation": "tanh", "norm": "batch", "dropout": 0.2}


def stored(plan):
    group = group_for([plan], dtype=torch.float64)
    curves(group)
    return group.checkpoint(plan.number)


def mlp(weights):
    """The normed network as a module of torch."""
    net = nn.Sequential(
        nn.Linear(13, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 5), nn.BatchNorm1d(5),
        nn.Tanh(), nn.Linear(5, 3),
    ).double()  # fmt: skip
    state = {}
    for linear, norm, name in ((0, 1, "layers.0"), (3, 4, "layers.1"), (6, None, "output")):
        state[f"{linear}.weight"] = weights[f"{name}.weight"].T
        state[f"{linear}.bias"] = weights[f"{name}.bias"]
        if norm is not None:
            state[f"{norm}.weight"] = weights[f"{name}.norm.scale"]
            state[f"{norm}.bias"] = weights[f"{name}.norm.shift"]
    net.load_state_dict(state, strict=False)
    return net


def expected(saved, fold=None, size=16):
    """By update_bn over the batches of the training rows; a lone last row is left out."""
    data = dataset_for(saved.spec.task, 0, device=CPU, dtype=torch.float64, fold=fold)
    net = mlp(saved.weights)
    update_bn([x for x in torch.split(data.train.x, size) if len(x) > 1], net)
    return {
        f"layers.{layer}.norm.{ours}": net.get_buffer(f"{norm}.running_{ours}")
        for layer, norm in ((0, 1), (1, 4))
        for ours in ("mean", "var")
    }


@pytest.mark.parametrize("size", [16, 15, 1])  # 106 rows: 15 leaves one behind
def test_statistics_are_those_of_update_bn(size):
    training = {"batch_size": 16, "augment": ["noise"], "ema": {}}
    blob = stored(Plan(0, study("wine", NORMED, training=training), 2))
    saved = checkpoints.read(blob)
    spec = saved.spec.model_copy(
        update={"training": saved.spec.training.model_copy(update={"batch_size": size})}
    )
    blob = checkpoints.write(replace(saved, spec=spec))
    found = checkpoints.read(with_fresh_statistics(blob))
    wanted = expected(saved, size=max(size, 2))
    assert found.buffers.keys() == wanted.keys()
    for name, tensor in wanted.items():
        torch.testing.assert_close(found.buffers[name], tensor, msg=name)
        assert not torch.allclose(saved.buffers[name], tensor, rtol=1e-3), name
    assert same(replace(found, buffers=saved.buffers), saved)


def test_each_run_of_several_has_those_of_its_own_rows():
    training = {"batch_size": 16, "folds": 2, "repeats": 2}
    blob = stored(Plan(0, study("wine", NORMED, training=training), 1))
    fresh = multi_run.run_checkpoints(with_fresh_statistics(blob))
    assert len(fresh) == 4
    for i, (saved, found) in enumerate(zip(multi_run.run_checkpoints(blob), fresh, strict=True)):
        for name, tensor in expected(saved, Fold(i // 2, 2)).items():
            torch.testing.assert_close(found.buffers[name], tensor, msg=name)


def test_images_are_normalised_over_rows_and_places():
    model = {"kind": "cnn", "layers": 1, "filters": 3, "norm": "batch"}
    training = {"batch_size": 128, "train_fraction": 0.3}
    blob = stored(Plan(0, study("digits", model, training=training), 1))
    saved, found = checkpoints.read(blob), checkpoints.read(with_fresh_statistics(blob))
    group = Group([Plan(0, saved.spec, 1)], dtype=torch.float64)
    x = group._task._train.x
    net = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3)).double()
    net[0].weight.data = saved.weights["layers.0.weight"]
    net[0].bias.data = saved.weights["layers.0.bias"]
    update_bn(torch.split(x, 128), net)
    torch.testing.assert_close(found.buffers["layers.0.norm.mean"], net[1].running_mean)
    torch.testing.assert_close(found.buffers["layers.0.norm.var"], net[1].running_var)


def test_a_model_without_statistics_stays_as_it_is():
    blob = stored(Plan(0, study("wine"), 1))
    assert with_fresh_statistics(blob) == blob


def test_a_plug_in_s_batch_norms_alone(installed):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(3, 6)
            self.norm = nn.BatchNorm1d(6, momentum=0.3)
            self.outer = nn.Linear(6, 2)
            self.register_buffer("fixed", torch.full((), 0.5))

        def forward(self, x):
            return self.outer(torch.tanh(self.norm(self.inner(x)))) * self.fixed

    def normed(params, seed):
        return PluginTask(**{**fields(params, seed), "model": Net})

    installed(normed=normed)
    blob = stored(Plan(0, plugin_study("normed"), 2))
    saved, found = checkpoints.read(blob), checkpoints.read(with_fresh_statistics(blob))
    net = Net().double()
    net.load_state_dict({**saved.weights, **saved.buffers})
    update_bn(torch.split(rows(0, 40)[0], 16), net)
    for name, tensor in net.named_buffers():
        torch.testing.assert_close(found.buffers[name], tensor.double(), msg=name)
    assert not np.allclose(found.buffers["norm.running_var"], saved.buffers["norm.running_var"])
