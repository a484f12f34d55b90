"""A plug-in's model in our engine is that model in a plain torch loop, and resumes bit for bit."""

from __future__ import annotations

import math
from importlib.metadata import EntryPoint

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from plugin_examples import DOUBLE, ROWS, Net, accuracy, fields, plugin_study, rows, task
from studies import curves, same, trained, untimed
from torch import nn

from hpsearch.errors import TrainingFailed
from hpsearch.training.evaluation.evaluation import evaluate
from hpsearch.training.group.group import Group, Plan, group_key
from hpsearch.training.numerics.global_seed import global_seed
from hpsearch.training.numerics.seeds import Stream, seed_of, step_keys, torch_generator
from hpsearch.training.tasks import plugin_loading
from hpsearch.training.tasks.plugin import PluginTask

pytestmark = pytest.mark.usefixtures("installed")

VARIANTS = {
    "batch norm": {},
    "dropout": {"params": {"net": {"dropout": 0.4}}},
    "gru": {"params": {"model": "gru"}},
    "loss of each row": {"entry_point": "per_row"},
    "data set": {"entry_point": "noisy_items"},
    "nests": {"entry_point": "nested"},
    "own order": {"training": {"batch_size": 16, "data_order": "per_trial", "train_fraction": 0.7}},
    "averages": {"training": {"batch_size": 16, "ema": {}, "swa": {"start": 0.2}, "l1": 0.01}},
    "stopping": {"training": {"batch_size": 16, "early_stopping": {"patience": 1}}},
    "accumulate": {"training": {"batch_size": 8, "accumulate": 2, "clip": {"norm": 0.5}}},
    "lbfgs": {"optimizer": {"kind": "lbfgs", "lr": 0.5, "iterations": 3}},
    "plateau": {"schedule": {"kind": "reduce_on_plateau", "metric": "val_accuracy", "patience": 0}},
}


@pytest.mark.parametrize("optimizer", ["momentum", "adam"])
def test_a_trial_is_what_a_hand_written_loop_gives(optimizer):
    spec = plugin_study(
        params={"net": {"dropout": 0.3}},
        optimizer={"kind": optimizer, "lr": 0.05, "weight_decay": 0.01},
        training={"batch_size": 16},
    )
    reports, checkpoint = trained(Plan(3, spec, 3), dtype=DOUBLE)
    with global_seed(seed_of(Stream.INIT, spec.seed, 3), torch.device("cpu")):
        net = Net(dropout=0.3)
    net.double()
    parameters = [p for p in net.parameters() if p.requires_grad]
    net.unused.grad = torch.zeros(2, dtype=DOUBLE)  # weight decay holds for all of ours
    rule = {
        "momentum": lambda: torch.optim.SGD(parameters, lr=0.05, momentum=0.9, weight_decay=0.01),
        "adam": lambda: torch.optim.Adam(parameters, lr=0.05, weight_decay=0.01),
    }[optimizer]()
    (x, y), (held, truth) = rows(0, ROWS), rows(1, 30)
    for epoch, report in enumerate(reports):
        net.train()
        order = torch.randperm(ROWS, generator=torch_generator(Stream.ORDER, 0, epoch))
        keys = step_keys(Stream.DROPOUT, 0, 3, epoch, steps=3)
        total = 0.0
        for key, chosen in zip(keys, torch.split(order, 16), strict=True):
            torch.manual_seed(int(key) % 2**32)
            loss = F.cross_entropy(net(x[chosen]), y[chosen])
            rule.zero_grad(set_to_none=False)
            loss.backward()
            rule.step()
            total += loss.item() * len(chosen)
        net.eval()
        with torch.no_grad():
            outputs = net(held)
        assert report.metrics["train_loss"] == pytest.approx(total / ROWS, rel=1e-9)
        assert report.metrics["val_loss"] == pytest.approx(
            F.cross_entropy(outputs, truth).item(), rel=1e-9
        )
        assert report.metrics["val_accuracy"] == pytest.approx(accuracy(outputs, truth).item())
    for name, tensor in net.state_dict().items():
        if not name.startswith("tied"):
            ours = {**checkpoint.weights, **checkpoint.buffers}[name]
            torch.testing.assert_close(ours, tensor.double(), msg=name)
    assert checkpoint.buffers["seen"] == 3 * ROWS


@pytest.mark.parametrize("name", VARIANTS)
def test_a_resumed_trial_is_the_uninterrupted_one(name):
    plan = Plan(5, plugin_study(**VARIANTS[name]), 5)
    whole, end = trained(plan)
    group = Group([plan])
    for _, _ in zip(range(2), group.epochs(), strict=False):
        pass
    rest, resumed_end = trained(plan, resume={5: group.checkpoint(5)})
    assert [untimed(r) for r in rest] == [untimed(r) for r in whole[2:]]
    assert len(rest) == len(whole) - 2
    assert same(end, resumed_end)


@pytest.mark.parametrize("name", VARIANTS)
def test_together_and_alone_are_the_same(name):
    plans = [Plan(7 * k, plugin_study(**VARIANTS[name]), 3) for k in range(3)]
    for k, plan in enumerate(plans):
        object.__setattr__(plan.spec.optimizer, "lr", 0.02 * (k + 1))
    group = Group(plans, dtype=DOUBLE)
    together = curves(group)
    for plan in plans:
        alone, _ = trained(plan, dtype=DOUBLE)
        assert len(alone) == len(together[plan.number])
        for one, other in zip(together[plan.number], alone, strict=True):
            assert untimed(one) == pytest.approx(untimed(other), rel=1e-9, abs=1e-11)


@pytest.mark.parametrize(
    ("params", "fuses"),
    [({}, True), ({"net": {"dropout": 0.2}}, False), ({"model": "gru"}, False)],
)
def test_only_what_can_be_vectorised_is(params, fuses):
    group = Group([Plan(k, plugin_study(params=params), 1) for k in range(2)])
    next(group.epochs())
    assert group._task._pass._can_fuse is fuses


def test_what_a_plug_in_draws_comes_from_the_study_and_disturbs_nobody(installed):
    drawn = []

    def drawing(params, seed):
        drawn.append((torch.rand(1).item(), np.random.rand()))
        return task(params, seed)

    installed(drawing=drawing)
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    for seed in (0, 0, 1):
        plugin_loading._load.cache_clear()
        trained(Plan(0, plugin_study("drawing", {"net": {"dropout": 0.2}}, seed=seed), 1))
    assert drawn[0] == drawn[1] != drawn[2]
    assert torch.equal(before, torch.random.get_rng_state())


def test_initial_weights_come_from_study_seed_and_trial_number_or_are_shared():
    own = Group([Plan(k, plugin_study(), 1) for k in (3, 4)])._state.weights
    assert torch.equal(own[0], Group([Plan(3, plugin_study(), 5)])._state.weights[0])
    assert not torch.equal(own[0], own[1])
    spec = plugin_study(training={"init_seed": "shared"})
    shared = Group([Plan(k, spec, 1) for k in (3, 4)])._state.weights
    assert torch.equal(shared[0], shared[1])


def test_test_rows_are_measured_where_there_are_any():
    for entry_point, names in (("task", {"test_loss", "test_accuracy"}), ("nested", set())):
        plan = Plan(0, plugin_study(entry_point), 1)
        group = Group([plan])
        ((report,),) = group.epochs()
        blob = group.checkpoint(0)
        assert set(evaluate(plan, blob, "test")) == names
        held = {n: v for n, v in report.metrics.items() if n.startswith("val_")}
        assert evaluate(plan, blob, "validation") == held


def test_trials_with_other_params_do_not_share_a_group():
    one, other = (Plan(0, plugin_study(params={"net": {"dropout": d}}), 1) for d in (0.1, 0.2))
    assert group_key(one) != group_key(other)
    faster = plugin_study(
        params={"net": {"dropout": 0.1}}, optimizer={"kind": "momentum", "lr": 0.5}
    )
    assert group_key(one) == group_key(Plan(1, faster, 1))


def test_a_loss_that_is_not_finite_ends_the_trial_as_diverged(installed):
    def wild(params, seed):
        return PluginTask(**{**fields(params, seed), "loss": lambda o, y: o.mean() * math.nan})

    installed(wild=wild)
    ((report,),) = Group([Plan(0, plugin_study("wild"), 3)]).epochs()
    assert report.diverged


def raises(*_):
    raise ValueError("no such\nthing")


def broken(**changes):
    return lambda params, seed: PluginTask(**{**fields(params, seed), **changes})


class Raising(Net):
    def forward(self, x):
        return self.outer(x)


ONES = torch.ones(ROWS, 3)
BROKEN = {
    "function": (raises, r"must run task\(params, seed\) without errors, got ValueError: no such "
                 r"thing \(test_plugin_task.py, line \d+\); mend the plug-in"),
    "nothing": (lambda params, seed: None, "must return a PluginTask, got none"),
    "no loss": (broken(loss=None), "must give model and loss as functions, got none for loss"),
    "a module": (lambda params, seed: PluginTask(**{**fields(params, seed), "model": Net()}),
                 r"got a Net for model; write model=lambda"),
    "model": (broken(model=raises), r"must run model\(\) without errors, got ValueError"),
    "no module": (broken(model=lambda: 3), r"must make a torch.nn.Module in model\(\), got a int"),
    "no weights": (broken(model=nn.Identity), "with parameters that require gradients, got none"),
    "lazy": (broken(model=lambda: nn.LazyLinear(2)), "lazy layers; call it on a few rows"),
    "large numbers": (broken(model=lambda: _with_buffer(torch.tensor(2**24 + 1))),
                      "whose numbers torch.float32 can hold, got seen of torch.int64"),
    "forward": (broken(model=Raising), "must run its model without errors, got RuntimeError: mat1"),
    "loss raises": (broken(loss=raises), "must run its loss without errors, got ValueError"),
    "loss of a row": (broken(loss=lambda o, y: o), r"of 16 rows as \[16\] or as their mean, \[\], "
                      r"got \[16, 2\]"),
    "loss is a number": (broken(loss=lambda o, y: 3.0), "as a floating-point tensor, got float"),
    "detached": (broken(loss=lambda o, y: o.detach().mean()), "got one without a gradient; leave"),
    "metric": (broken(metrics={"accuracy": raises}), "must run its metric accuracy without errors"),
    "metric of rows": (broken(metrics={"accuracy": lambda o, y: o}), r"as one number, got \[30"),
    "metric's name": (broken(metrics={"a b": accuracy}), "name its metrics in letters"),
    "not a metric": (broken(metrics={"accuracy": 3}), "give metrics as functions, got a int"),
    "no such metric": (broken(metrics={}), "objective.metric must be one of val_loss, train_loss, "
                       "train_objective for this plug-in, got val_accuracy"),
    "rows": (broken(train=(ONES, torch.ones(3))), "of train equally many rows, got 3 and 40"),
    "no rows": (broken(validation=(ONES[:0], ONES[:0])), "give validation at least one row"),
    "no data": (broken(train=None), r"give train as \(inputs, targets\) or a Dataset"),
    "text": (broken(train=("abc", "def")), "give train as tensors or NumPy arrays, got a str"),
    "structure": (lambda params, seed: _changing(params, seed), "make models of one structure from "
                  r"the same params, got weight of shape \(2, 3\), then \(3, 3\)"),
}  # fmt: skip


def _with_buffer(value):
    net = Net()
    net.seen = value
    return net


def _changing(params, seed):
    sizes = iter((2, 3, 4, 5))
    return PluginTask(**{**fields(params, seed), "model": lambda: nn.Linear(3, next(sizes))})


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_wrong_with_a_plug_in_is_said_in_one_sentence(name, installed):
    function, message = BROKEN[name]
    installed(broken_one=function)
    with pytest.raises(TrainingFailed, match=message) as raised:
        trained(Plan(0, plugin_study("broken_one"), 1))
    assert "\n" not in str(raised.value)


def test_an_entry_point_must_be_installed_and_offered_once(installed, monkeypatch):
    with pytest.raises(TrainingFailed, match="got 'nowhere'; install its package there"):
        trained(Plan(0, plugin_study("nowhere"), 1))
    twice = [EntryPoint("task", f"{m}:task", "hpsearch.tasks") for m in ("one", "two")]
    monkeypatch.setattr(plugin_loading, "entry_points", lambda group: twice)
    with pytest.raises(TrainingFailed, match="offered by one:task and two:task; uninstall"):
        trained(Plan(0, plugin_study("task"), 1))
    missing = [EntryPoint("task", "one:task", "hpsearch.tasks")]
    monkeypatch.setattr(plugin_loading, "entry_points", lambda group: missing)
    with pytest.raises(TrainingFailed, match="run its import without errors, got ModuleNotFound"):
        trained(Plan(0, plugin_study("task"), 1))


def test_norm_layers_without_weight_decay_are_called_so(installed):
    optimizer = {"kind": "momentum", "lr": 0.1, "weight_decay": 0.1, "no_decay": ["norm"]}
    Group([Plan(0, plugin_study(optimizer=optimizer), 1)])
    unnamed = broken(model=lambda: nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)))
    installed(unnamed=unnamed)
    with pytest.raises(TrainingFailed, match=r"and the plug-in has one called 1; use optimizer"):
        Group([Plan(0, plugin_study("unnamed", optimizer=optimizer), 1)])


def test_memory_that_runs_out_is_told_as_such(installed):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    installed(full=broken(loss=full))
    with pytest.raises(torch.OutOfMemoryError):
        trained(Plan(0, plugin_study("full"), 1))
