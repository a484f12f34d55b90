"""Every option of `training` against a hand-written loop with torch's own tools."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from studies import curves, same, study, trained, untimed
from torch import nn
from torch.optim.swa_utils import AveragedModel

from hpsearch.errors import TrainingFailed
from hpsearch.training.checkpoints import checkpoint as checkpoints
from hpsearch.training.data.datasets import dataset_for
from hpsearch.training.data.sources import load
from hpsearch.training.data.subset import fraction_rows
from hpsearch.training.evaluation.evaluation import evaluate, outputs
from hpsearch.training.group.group import Group, Plan
from hpsearch.training.numerics.seeds import Stream, torch_generator

DOUBLE = torch.float64
MODEL = {"kind": "mlp", "hidden": [8], "activation": "tanh", "norm": "batch"}
WEIGHTS = [2.0, 1.0, 0.5]
EPOCHS = 4
BATCH = 16


def network(spec):
    """A torch network with a fresh trial's weights."""
    group = Group([Plan(3, spec, EPOCHS)], dtype=DOUBLE)
    views = {name: view[0] for name, view in group._state.views.items()}
    first, norm, last = nn.Linear(13, 8), nn.BatchNorm1d(8), nn.Linear(8, 3)
    net = nn.Sequential(first, norm, nn.Tanh(), last).double()
    with torch.no_grad():
        first.weight.copy_(views["layers.0.weight"].T)
        last.weight.copy_(views["output.weight"].T)
        for bias in (first.bias, last.bias):
            bias.zero_()
    return net


def reference(spec):
    """Trains the network by hand; the network, its averages, and what was measured."""
    training = spec.training
    data = dataset_for(spec.task, spec.seed, device=torch.device("cpu"), dtype=DOUBLE)
    net = network(spec)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    updates = 0

    def ema_rule(shadow, current, _):
        decay = min(training.ema.decay, (1 + updates) / (10 + updates))
        return shadow * decay + current * (1 - decay)

    ema = training.ema and AveragedModel(net, avg_fn=ema_rule, use_buffers=True)
    if ema:
        ema.update_parameters(net)  # the first call copies
    swa = training.swa and AveragedModel(net, use_buffers=True)
    weights = None if spec.task.class_weights == "none" else torch.tensor(WEIGHTS).double()
    measured = {}
    for epoch in range(EPOCHS):
        order = torch.randperm(
            len(data.train.x), generator=torch_generator(Stream.ORDER, spec.seed, epoch)
        )
        sums = {"loss": 0.0, "norm": 0.0, "clipped": 0, "steps": 0}
        for together in order.split(BATCH * training.accumulate):
            optimizer.zero_grad()
            for chosen in together.split(BATCH):
                losses = F.cross_entropy(
                    net(data.train.x[chosen]),
                    data.train.y[chosen],
                    weight=weights,
                    reduction="none",
                    label_smoothing=training.label_smoothing,
                )
                (losses.sum() / len(together)).backward()
                sums["loss"] += losses.sum().item()
            params = list(net.parameters())
            norm = nn.utils.get_total_norm([p.grad for p in params]).item()
            if training.clip and training.clip.norm:
                nn.utils.clip_grad_norm_(params, training.clip.norm)
                sums["clipped"] += norm > training.clip.norm
            if training.clip and training.clip.value:
                sums["clipped"] += max(p.grad.abs().max() for p in params) > training.clip.value
                nn.utils.clip_grad_value_(params, training.clip.value)
            for layer in (net[0], net[3]):
                layer.weight.grad.add_(training.l1 * layer.weight.detach().sign())
            optimizer.step()
            updates += 1
            sums["norm"] += norm
            sums["steps"] += 1
            if training.max_norm:
                with torch.no_grad():
                    for layer in (net[0], net[3]):
                        layer.weight.copy_(layer.weight.renorm(2, 0, training.max_norm))
            if ema:
                ema.update_parameters(net)
        if swa and epoch >= 2:
            swa.update_parameters(net)
        measured = {
            "train_loss": sums["loss"] / len(order),
            "grad_norm": sums["norm"] / sums["steps"],
        }
        if training.clip:
            measured["clip_fraction"] = float(sums["clipped"]) / sums["steps"]
        for prefix, model in (("", net), ("ema_", ema), ("swa_", swa)):
            if model:
                with torch.no_grad():
                    held = model.eval()(data.validation.x)
                model.train()
                loss = F.cross_entropy(held, data.validation.y).item()
                measured[f"{prefix}val_loss"] = loss
    return net, ema, swa, measured


OPTIONS = {
    "plain": {},
    "clip_norm": {"clip": {"norm": 0.4}},
    "clip_value": {"clip": {"value": 0.02}},
    "l1": {"l1": 0.01},
    "max_norm": {"max_norm": 0.8},
    "label_smoothing": {"label_smoothing": 0.2},
    "accumulate": {"accumulate": 3},
    "ema": {"ema": {"decay": 0.8}},
    "swa": {"swa": {"start": 0.5}},
    "class_weights": {},
    "all": {
        "clip": {"norm": 0.4}, "l1": 0.01, "max_norm": 0.8, "label_smoothing": 0.2,
        "accumulate": 2, "ema": {"decay": 0.8}, "swa": {"start": 0.5},
    },
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_does_what_torch_s_tools_do(name):
    factors = dict(zip(load("wine").classes, WEIGHTS, strict=True))
    spec = study(
        model=MODEL,
        # A bias before batch norm has no gradient but rounding, whose sign l1 would follow.
        optimizer={"kind": "momentum", "lr": 0.05, "no_decay": ["bias", "norm"]},
        training={"batch_size": BATCH, **OPTIONS[name]},
        task={"class_weights": factors} if name == "class_weights" else {},
    )
    net, ema, swa, expected = reference(spec)
    reports, checkpoint = trained(Plan(3, spec, EPOCHS), dtype=DOUBLE)
    found = reports[-1].metrics
    assert {key: found[key] for key in expected} == pytest.approx(expected, rel=1e-9)
    assert ("clip_fraction" in found) == ("clip_fraction" in expected)
    for copy, model in (("raw", net), ("ema", ema), ("swa", swa)):
        assert model is net or (copy in checkpoint.copies) == bool(model)
        if model:
            mine = checkpoint if copy == "raw" else checkpoint.copies[copy]
            theirs = model if copy == "raw" else model.module
            torch.testing.assert_close(mine.weights["layers.0.weight"], theirs[0].weight.T.detach())
            torch.testing.assert_close(mine.weights["output.weight"], theirs[3].weight.T.detach())
            torch.testing.assert_close(mine.buffers["layers.0.norm.var"], theirs[1].running_var)


def test_averages_are_measured_from_when_they_exist():
    spec = study(model=MODEL, training={"ema": {}, "swa": {"start": 0.5}})
    reports, _ = trained(Plan(0, spec, 4))
    assert ["ema_val_loss" in report.metrics for report in reports] == [True] * 4
    assert ["swa_val_loss" in report.metrics for report in reports] == [False, False, True, True]
    names = {name for name in reports[-1].metrics if name.startswith("ema_")}
    assert names == {f"ema_{name}" for name in reports[-1].metrics if name.startswith("val_")}
    assert {"ema_val_loss", "ema_val_accuracy", "ema_val_f1", "ema_val_auc"} <= names


@pytest.mark.parametrize("copy", ["ema", "swa", "best"])
def test_a_checkpoint_s_copies_can_be_measured(copy):
    training = {"ema": {}, "swa": {"start": 0}, "early_stopping": {"patience": 9}}
    plan = Plan(0, study(training=training), 2)
    group = Group([plan])
    reports = curves(group)[0]
    blob = group.checkpoint(0)
    found = evaluate(plan, blob, "validation", copy=copy)
    if copy == "best":
        best = max(reports, key=lambda report: report.metrics["val_accuracy"])
        assert found["val_loss"] == best.metrics["val_loss"]
    else:
        assert found["val_loss"] == reports[-1].metrics[f"{copy}_val_loss"]
    plain = Plan(0, study(), 1)
    group = Group([plain])
    list(group.epochs())
    with pytest.raises(TrainingFailed, match=f"must keep {copy} weights"):
        evaluate(plain, group.checkpoint(0), "validation", copy=copy)


@pytest.mark.parametrize("restore", [True, False])
def test_early_stopping_ends_a_trial_and_restores_its_best_epoch(restore):
    spec = study(
        optimizer={"kind": "momentum", "lr": 0.3},
        training={"early_stopping": {"patience": 3, "restore_best": restore}},
        objective={"metric": "val_loss", "direction": "minimize"},
    )
    plan = Plan(0, spec, 60)
    group, blobs, reports = Group([plan]), [], []
    for (report,) in group.epochs():
        reports.append(report)
        blobs.append(checkpoints.read(group.checkpoint(0)))
    losses = [report.metrics["val_loss"] for report in reports]
    best = losses.index(min(losses))
    assert len(reports) == best + 4 < 60
    assert [report.finished for report in reports] == [False] * (best + 3) + [True]
    assert blobs[-1].best.epoch == best
    assert blobs[-1].epoch == best + 3
    kept = blobs[best if restore else -2]
    restored = all(torch.equal(blobs[-1].weights[n], kept.weights[n]) for n in blobs[-1].weights)
    assert restored == restore
    resumed = Group([plan], resume={0: group.checkpoint(0)})
    assert list(resumed.epochs()) == []


def test_a_trial_that_stops_early_leaves_the_others_training():
    spec = study(optimizer={"kind": "momentum", "lr": 0.3})
    patient, hasty = (
        spec.model_copy(
            update={
                "training": spec.training.model_validate(
                    {"early_stopping": {"patience": patience, "min_delta": 0.5}}
                )
            }
        )
        for patience in (50, 1)
    )
    found = curves(Group([Plan(0, patient, 5), Plan(1, hasty, 5)]))
    assert (len(found[0]), len(found[1])) == (5, 2)


def test_shared_initial_weights_and_own_orders():
    shared = study(training={"init_seed": "shared"})
    first = Group([Plan(0, shared, 1), Plan(1, shared, 1)])
    assert torch.equal(*first._state.weights)
    one, other = curves(first).values()
    assert untimed(one[0]) == untimed(other[0])
    own = study(training={"init_seed": "shared", "data_order": "per_trial"})
    one, other = curves(Group([Plan(0, own, 1), Plan(1, own, 1)])).values()
    assert untimed(one[0]) != untimed(other[0])


def test_fractions_are_stratified_and_nested():
    y = load("breast_cancer").y
    rows = {f: set(fraction_rows(y, f, 3, True).tolist()) for f in (0.01, 0.1, 0.5, 0.9, 1.0)}
    for fraction, chosen in rows.items():
        assert len(chosen) == -(-len(y) * fraction // 1)
        for label in (0, 1):
            expected = (y == label).sum() * fraction
            assert abs(sum(y[row] == label for row in chosen) - expected) <= 2
    sizes = sorted(rows)
    assert all(rows[a] <= rows[b] for a, b in pairwise(sizes))
    spec = study(training={"train_fraction": 0.25, "batch_size": 1000})
    assert Group([Plan(0, spec, 1)])._task.rows == 27  # a quarter of 106, rounded up


def test_lbfgs_is_torch_s_on_all_rows():
    model = {"kind": "linear"}
    options = {"lr": 0.7, "iterations": 5, "history": 4, "line_search": "strong_wolfe"}
    spec = study(model=model, optimizer={"kind": "lbfgs", **options})
    reports, checkpoint = trained(Plan(3, spec, 3), dtype=DOUBLE)
    data = dataset_for(spec.task, spec.seed, device=torch.device("cpu"), dtype=DOUBLE)
    fresh = Group([Plan(3, spec, 3)], dtype=DOUBLE)._state.views
    net = nn.Linear(13, 3).double()
    with torch.no_grad():
        net.weight.copy_(fresh["output.weight"][0].T)
        net.bias.zero_()
    optimizer = torch.optim.LBFGS(
        net.parameters(), lr=0.7, max_iter=5, history_size=4, line_search_fn="strong_wolfe"
    )
    order = {}

    def closure():
        optimizer.zero_grad()
        loss = F.cross_entropy(net(data.train.x), data.train.y)
        loss.backward()
        order.setdefault("first", loss.item())
        return loss

    for report in reports:
        order.clear()
        optimizer.step(closure)
        assert report.metrics["train_loss"] == pytest.approx(order["first"], rel=1e-9)
    torch.testing.assert_close(checkpoint.weights["output.weight"], net.weight.T.detach())


def test_numbers_are_trained_standardised_and_judged_in_their_own_unit():
    plan = Plan(0, study("diabetes", model={"kind": "linear"}), 30)
    group = Group([plan], dtype=DOUBLE)
    last = curves(group)[0][-1].metrics
    predictions, y = outputs(plan, group.checkpoint(0), "validation", dtype=DOUBLE)
    assert 50 < float(y.mean()) < 250
    errors = predictions[:, 0] - y
    expected = {
        "val_rmse": errors.square().mean().sqrt().item(),
        "val_mae": errors.abs().mean().item(),
        "val_r2": 1 - (errors.square().sum() / (y - y.mean()).square().sum()).item(),
    }
    assert {name: last[name] for name in expected} == pytest.approx(expected)
    scale = float(load("diabetes").y.std())
    assert last["val_loss"] == pytest.approx((last["val_rmse"] / scale) ** 2, rel=0.1)
    assert last["val_r2"] > 0.3
    assert "train_accuracy" not in last


@pytest.mark.parametrize("init", ["xavier_uniform", "xavier_normal"])
def test_ten_tanh_layers_keep_their_variance_or_lose_it(init):
    """The catalogue's 6.4: N(0, 0.01²) shrinks it about twentyfold a layer, Xavier keeps it."""
    shrunk, kept = (variances(i) for i in ({"kind": "normal", "std": 0.01}, init))
    ratios = [a / b for a, b in pairwise(shrunk)]
    assert all(15 < ratio < 25 for ratio in ratios[1:])
    assert 0.1 < kept[-1] / kept[0] < 10


def variances(init):
    """Of the activations of each of ten layers of 500 tanh units, fed with N(0, 1)."""
    model = {"kind": "mlp", "layers": 10, "units": 500, "activation": "tanh", "init": init}
    views = Group([Plan(0, study(model=model), 1)])._state.views
    hidden = torch.randn(200, 13, generator=torch.Generator().manual_seed(0))
    found = []
    for layer in range(10):
        weight, bias = (views[f"layers.{layer}.{part}"][0] for part in ("weight", "bias"))
        hidden = torch.tanh(hidden @ weight + bias)
        found.append(float(hidden.var()))
    return found


def test_zeros_learn_nothing_but_the_shares_of_the_classes():
    model = {"kind": "mlp", "hidden": [8], "init": "zeros"}
    reports, checkpoint = trained(Plan(0, study(model=model), 5))
    assert not checkpoint.weights["layers.0.weight"].any()
    assert reports[-1].metrics["val_auc"] == 0.5


def test_same_notices_differences():
    _, one = trained(Plan(0, study(), 1))
    _, other = trained(Plan(1, study(), 1))
    assert same(one, one)
    assert not same(one, other)
