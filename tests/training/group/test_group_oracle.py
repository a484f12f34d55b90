"""The engine against an ordinary training loop with torch.nn and torch.optim."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    f1_score,
    log_loss,
    matthews_corrcoef,
    recall_score,
    roc_auc_score,
)
from studies import study, trained
from torch import nn

from hpsearch.training.data.datasets import dataset_for
from hpsearch.training.group.group import Group, Plan
from hpsearch.training.numerics.seeds import Stream, torch_generator

DOUBLE = torch.float64
TANH = {"kind": "mlp", "hidden": [8, 6], "activation": "tanh"}
"""Without dead units: rows with equal outputs would be ranked by rounding."""


def network(weights):
    """A torch network with a checkpoint's weights."""
    layers = []
    for name in ("layers.0", "layers.1", "output"):
        weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
        linear = nn.Linear(*weight.shape).double()
        with torch.no_grad():
            linear.weight.copy_(weight.T)
            linear.bias.copy_(bias)
        layers += [linear, nn.Tanh()]
    return nn.Sequential(*layers[:-1])


def initial_weights(spec):
    group = Group([Plan(3, spec, 1)], dtype=DOUBLE)
    return {name: view[0] for name, view in group._state.layout.views(group._state.weights).items()}


@pytest.mark.parametrize("batch_size", [20, 32, 1000])
def test_a_trial_is_what_a_hand_written_loop_gives(batch_size):
    spec = study(
        model=TANH,
        optimizer={"kind": "momentum", "lr": 0.05, "weight_decay": 0.01},
        schedule={"kind": "cosine"},
        training={"batch_size": batch_size},
    )
    reports, checkpoint = trained(Plan(3, spec, 4), dtype=DOUBLE)
    data = dataset_for(spec.task, spec.seed, device=torch.device("cpu"), dtype=DOUBLE)
    net = network(initial_weights(spec))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=0.01)
    rows = len(data.train.x)
    steps = -(-rows // batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 4 * steps)
    for epoch, report in enumerate(reports):
        order = torch.randperm(rows, generator=torch_generator(Stream.ORDER, spec.seed, epoch))
        loss_sum = objective_sum = norm_sum = right = 0.0
        for chosen in order.split(batch_size):
            outputs = net(data.train.x[chosen])
            loss = F.cross_entropy(outputs, data.train.y[chosen])
            optimizer.zero_grad()
            loss.backward()
            params = nn.utils.parameters_to_vector(net.parameters()).detach()
            loss_sum += loss.item() * len(chosen)
            objective_sum += (loss + 0.005 * params.square().sum()).item() * len(chosen)
            norm_sum += float(nn.utils.get_total_norm([p.grad for p in net.parameters()]))
            right += int((outputs.argmax(1) == data.train.y[chosen]).sum())
            optimizer.step()
            rate = optimizer.param_groups[0]["lr"]
            schedule.step()
        after = nn.utils.parameters_to_vector(net.parameters()).detach()
        with torch.no_grad():
            held = net(data.validation.x)
        expected = {
            "train_loss": loss_sum / rows,
            "train_objective": objective_sum / rows,
            "train_accuracy": right / rows,
            "grad_norm": norm_sum / steps,
            "update_ratio": float((after - params).norm() / params.norm()),
            "val_loss": float(F.cross_entropy(held, data.validation.y)),
            "val_accuracy": float((held.argmax(1) == data.validation.y).double().mean()),
            "lr": rate,
            "momentum": 0.9,
        }
        found = {name: value for name, value in report.metrics.items() if name in expected}
        assert found == pytest.approx(expected, rel=1e-9)
        truth, scores = data.validation.y.numpy(), held.softmax(1).numpy()
        chosen = scores.argmax(1)
        indicators = np.eye(scores.shape[1])[truth]
        recalls = recall_score(truth, chosen, average=None)
        expected = {
            "val_f1": f1_score(truth, chosen, average="macro"),
            "val_f1_macro": f1_score(truth, chosen, average="macro"),
            "val_balanced_accuracy": balanced_accuracy_score(truth, chosen),
            "val_auc": roc_auc_score(truth, scores, multi_class="ovr"),
            "val_average_precision": average_precision_score(indicators, scores),
            "val_mcc": matthews_corrcoef(truth, chosen),
            "val_log_loss": log_loss(truth, scores),
            **{f"val_recall[{c}]": r for c, r in zip(data.classes, recalls, strict=True)},
        }
        assert {name: report.metrics[name] for name in expected} == pytest.approx(expected)
        assert {*report.metrics} == {*found, *expected, "seconds", "samples_per_second"}
    for name, module in (("layers.0", net[0]), ("output", net[4])):
        torch.testing.assert_close(checkpoint.weights[f"{name}.weight"], module.weight.T)


def test_initial_weights_come_from_study_seed_and_trial_number_alone():
    spec = study(model=TANH)
    other_seed = study(model=TANH, seed=1)
    first = Group([Plan(3, spec, 1), Plan(4, spec, 1)])._state.weights
    assert torch.equal(first[0], Group([Plan(3, spec, 5)])._state.weights[0])
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first[0], Group([Plan(3, other_seed, 1)])._state.weights[0])
