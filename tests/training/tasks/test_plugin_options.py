"""What a study may ask of any model, asked of a plug-in's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from plugin_examples import ROWS, fields, plugin_study, rows
from studies import curves, trained, untimed
from torch import nn

from hpsearch.errors import TrainingFailed
from hpsearch.training.checkpoints import multi_run
from hpsearch.training.evaluation.evaluation import evaluate, outputs, run_outputs
from hpsearch.training.group.group import Group, Plan
from hpsearch.training.group.multi_run_group import group_for
from hpsearch.training.numerics.global_seed import global_seed
from hpsearch.training.numerics.seeds import Stream, seed_of, torch_generator
from hpsearch.training.tasks.plan import run_ids
from hpsearch.training.tasks.plugin import PluginTask

DOUBLE = torch.float64
pytestmark = pytest.mark.usefixtures("installed")


class Many(nn.Module):
    """Weights of every kind, each with its units on an axis of its own."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(7, 4)
        self.inner = nn.Linear(4, 3)
        self.conv = nn.Conv1d(3, 5, 2, padding=1)
        self.up = nn.ConvTranspose1d(5, 2, 3)
        self.gru = nn.GRU(2, 6, batch_first=True)
        self.norm = nn.LayerNorm(6)
        self.own = nn.Parameter(torch.randn(2, 6))

    def forward(self, words):
        x = self.conv(self.inner(self.words(words)).mT.tanh())
        x = self.norm(self.gru(self.up(x).mT)[0][:, -1])
        return x @ self.own.T


UNITS = {
    "inner.weight": 0, "conv.weight": 0, "up.weight": 1, "gru.weight_ih_l0": 0,
    "gru.weight_hh_l0": 0, "own": 0,
}  # fmt: skip


def words(seed, count):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(0, 7, (count, 5), generator=generator)
    return x, (x.sum(1) % 2).long()


def many(params, seed):
    return PluginTask(
        model=Many, train=words(seed, ROWS), validation=words(seed + 1, 30), loss=F.cross_entropy
    )


LOSS = {"metric": "val_loss", "direction": "minimize"}


def test_max_norm_is_torch_s_renorm_along_each_weight_s_units(installed):
    installed(many=many)
    spec = plugin_study("many", training={"batch_size": 16, "max_norm": 0.7}, objective=LOSS)
    _, checkpoint = trained(Plan(3, spec, 2), dtype=DOUBLE)
    with global_seed(seed_of(Stream.INIT, 0, 3), torch.device("cpu")):
        net = Many()
    net.double()
    rule = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    x, y = words(0, ROWS)
    for epoch in range(2):
        order = torch.randperm(ROWS, generator=torch_generator(Stream.ORDER, 0, epoch))
        for chosen in torch.split(order, 16):
            rule.zero_grad()
            F.cross_entropy(net(x[chosen]), y[chosen]).backward()
            rule.step()
            with torch.no_grad():
                for name, axis in UNITS.items():
                    weight = net.get_parameter(name)
                    weight.copy_(weight.renorm(2, axis, 0.7))
    for name, tensor in net.named_parameters():
        torch.testing.assert_close(checkpoint.weights[name], tensor.detach(), msg=name)
    for name, axis in UNITS.items():
        norms = checkpoint.weights[name].transpose(0, axis).flatten(1).norm(dim=1)
        assert float(norms.max()) < 0.7 + 1e-6


class Wide(nn.Module):
    def __init__(self, **_):
        super().__init__()
        self.inner = nn.Linear(3, 6, bias=False)
        self.outer = nn.Linear(6, 2, bias=False)

    def forward(self, x):
        return self.outer(torch.tanh(self.inner(x)))


def wide(params, seed):
    return PluginTask(**{**fields(params, seed), "model": Wide})


@pytest.mark.parametrize("adjust", ["original", "match_rms_adamw"])
def test_muon_takes_torch_s_steps_whatever_a_matrix_s_form(adjust, installed):
    installed(wide=wide)
    optimizer = {"kind": "muon", "lr": 0.05, "adjust_lr": adjust, "weight_decay": 0.1}
    spec = plugin_study("wide", optimizer=optimizer, training={"batch_size": ROWS})
    _, checkpoint = trained(Plan(3, spec, 3), dtype=DOUBLE)
    with global_seed(seed_of(Stream.INIT, 0, 3), torch.device("cpu")):
        net = Wide()
    net.double()
    rule = torch.optim.Muon(net.parameters(), lr=0.05, adjust_lr_fn=adjust, weight_decay=0.1)
    x, y = rows(0, ROWS)
    for _ in range(3):
        rule.zero_grad()
        F.cross_entropy(net(x), y).backward()
        rule.step()
    for name, tensor in net.named_parameters():
        torch.testing.assert_close(
            checkpoint.weights[name], tensor.detach(), rtol=0.02, atol=2e-3, msg=name
        )


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_repeats_are_the_means_of_runs_from_other_weights(dropout):
    spec = plugin_study(
        params={"net": {"dropout": dropout}},
        training={"batch_size": 16, "repeats": 3, "data_order": "per_trial"},
    )
    plan = Plan(5, spec, 2)
    runs = [curves(Group([Plan(5, spec, 2, run_id)], dtype=DOUBLE))[5] for run_id in run_ids(plan)]
    assert len({run[0].metrics["train_loss"] for run in runs}) == 3
    group = group_for([plan], dtype=DOUBLE)
    for epoch, report in enumerate(curves(group)[5]):
        values = [run[epoch].metrics["val_accuracy"] for run in runs]
        assert report.metrics["val_accuracy"] == pytest.approx(np.mean(values), rel=1e-9)
        assert report.metrics["val_accuracy_std"] == pytest.approx(np.std(values, ddof=1))
    found = evaluate(plan, group.checkpoint(5), "test", dtype=DOUBLE)
    assert set(found) == {"test_loss", "test_accuracy", "test_loss_std", "test_accuracy_std"}
    assert len(multi_run.run_checkpoints(group.checkpoint(5))) == 3


def test_a_repeated_trial_goes_on_bit_for_bit():
    spec = plugin_study(
        params={"net": {"dropout": 0.3}},
        training={"batch_size": 16, "repeats": 2, "data_order": "per_trial"},
    )
    plan = Plan(5, spec, 4)
    whole = curves(group_for([plan]))[5]
    group = group_for([plan])
    for _, _ in zip(range(2), group.epochs(), strict=False):
        pass
    rest = curves(group_for([plan], resume={5: group.checkpoint(5)}))[5]
    assert [untimed(r) for r in rest] == [untimed(r) for r in whole[2:]]


def stored(plan):
    group = group_for([plan], dtype=DOUBLE)
    list(group.epochs())
    return group.checkpoint(plan.number)


@pytest.mark.parametrize("split", ["validation", "test"])
def test_outputs_of_classes_are_the_model_s(split):
    plan = Plan(2, plugin_study(), 1)
    blob = stored(plan)
    logits, y = outputs(plan, blob, split, dtype=DOUBLE)
    x, truth = rows(*{"validation": (1, 30), "test": (2, 20)}[split])
    assert torch.equal(y, truth)
    found = evaluate(plan, blob, split, dtype=DOUBLE)
    name = "val" if split == "validation" else split
    assert float((logits.argmax(1) == y).double().mean()) == pytest.approx(
        found[f"{name}_accuracy"]
    )
    assert F.cross_entropy(logits, y).item() == pytest.approx(found[f"{name}_loss"])
    (run,) = run_outputs(plan, blob, split)
    assert run.rows.tolist() == list(range(len(x)))


def test_a_plug_in_says_what_is_combined_where_its_outputs_are_not_that(installed):
    def pairs(params, seed):
        given = fields(params, seed)
        x, y = given["validation"]
        return PluginTask(
            **{
                **given,
                "train": (given["train"][0], {"label": given["train"][1]}),
                "validation": (x, {"label": y}),
                "test": None,
                "loss": lambda o, y: F.cross_entropy(o, y["label"]),
                "metrics": {},
                "predictions": lambda o, y: (o - 1, y["label"].bool()),
            }
        )

    def numbers(params, seed):
        given = fields(params, seed)
        for part in ("train", "validation", "test"):
            x, _ = given[part]
            given[part] = x, x.sum(1)
        given["model"] = lambda: nn.Sequential(nn.Linear(3, 1), nn.Flatten(0))
        return PluginTask(**{**given, "loss": F.mse_loss, "metrics": {}})

    installed(pairs=pairs, numbers=numbers)
    plan = Plan(0, plugin_study("pairs", objective=LOSS), 1)
    logits, y = outputs(plan, stored(plan), "validation", dtype=DOUBLE)
    assert torch.equal(y, rows(1, 30)[1])
    assert logits.shape == (30, 2)
    with pytest.raises(TrainingFailed, match="must give test rows to have predictions for them"):
        outputs(plan, stored(plan), "test")
    repeated = plugin_study("numbers", objective=LOSS, training={"batch_size": 16, "repeats": 2})
    plan = Plan(0, repeated, 1)
    found, y = outputs(plan, stored(plan), "test", dtype=DOUBLE)
    runs = run_outputs(plan, stored(plan), "test", dtype=DOUBLE)
    assert (found.shape, y.dtype) == ((20, 1), DOUBLE)
    torch.testing.assert_close(found, torch.stack([run.outputs for run in runs]).mean(0))


NO_PREDICTIONS = {
    "nested": ({"loss": lambda o, y: F.cross_entropy(o["scores"], y)},
               "combined, got a dict; give its PluginTask predictions=..., which makes them of"),
    "one column": ({"predictions": lambda o, y: (o[:, :1], y)}, r"got \[30, 1\] of torch.float64"),
    "other rows": ({"predictions": lambda o, y: (o, y[:3])}, r"with \[3\] of torch.int64"),
    "three": ({"predictions": lambda o, y: (o, y, y)}, "got a tuple"),
    "no tensor": ({"predictions": lambda o, y: (o, y.tolist())}, "got a list"),
    "labels": ({"predictions": lambda o, y: (o, y + 5)}, r"\[30, 2\] of torch.float64 with \[30\]"),
    "raises": ({"predictions": lambda o, y: 1 / 0}, "must run predictions.* ZeroDivisionError"),
}  # fmt: skip


@pytest.mark.parametrize("name", NO_PREDICTIONS)
def test_what_cannot_be_combined_is_refused_in_one_sentence(name, installed):
    changes, sentence = NO_PREDICTIONS[name]

    class Nested(Wide):
        def forward(self, x):
            return {"scores": super().forward(x)}

    model = Nested if name == "nested" else Wide
    given = {"model": model, "metrics": {}, **changes}
    installed(odd=lambda params, seed: PluginTask(**{**fields(params, seed), **given}))
    plan = Plan(0, plugin_study("odd", objective=LOSS), 1)
    blob = stored(plan)
    with pytest.raises(TrainingFailed, match=sentence) as raised:
        outputs(plan, blob, "validation", dtype=DOUBLE)
    assert "\n" not in str(raised.value)
    assert set(evaluate(plan, blob, "test")) == {"test_loss"}


def test_folds_of_a_plug_in_are_refused():
    plan = Plan(0, plugin_study(training={"batch_size": 16, "folds": 2}), 1)
    with pytest.raises(TrainingFailed, match="a task of kind plugin has none; leave folds out"):
        group_for([plan])
