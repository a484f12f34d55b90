"""A loaded trial of several runs predicts what the worker measured."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from hpsearch.errors import InvalidInput
from hpsearch.inference.model import TrainedMean, TrainedModel, model_of
from hpsearch.spec.study import parse_study
from hpsearch.training.checkpoints import multi_run
from hpsearch.training.data.sources import load
from hpsearch.training.data.splits import split_rows
from hpsearch.training.evaluation.evaluation import evaluate, outputs
from hpsearch.training.group.multi_run_group import group_for
from hpsearch.training.tasks.plan import Plan

torch.set_num_threads(1)


def stored(dataset: str, **training: Any) -> tuple[Plan, bytes]:
    document = {
        "name": "test",
        "task": {"dataset": dataset, "model": {"kind": "mlp", "hidden": [8]}},
        "optimizer": {"kind": "momentum", "lr": 0.05},
        "training": {"epochs": 2, "batch_size": 16, **training},
    }
    plan = Plan(0, parse_study(document), 2)
    group = group_for([plan], dtype=torch.float64)
    list(group.epochs())
    return plan, group.checkpoint(0)


@pytest.mark.parametrize("training", [{"folds": 3}, {"repeats": 2}])
def test_several_runs_predict_the_mean_of_their_probabilities(training: Any) -> None:
    plan, blob = stored("wine", **training)
    model = model_of(multi_run.run_checkpoints(blob), (13,))
    assert isinstance(model, TrainedMean)
    table = load("wine")
    rows = split_rows(table.y, plan.spec.supervised.split, 0, classes=True).test
    expected, y = outputs(plan, blob, "test", dtype=torch.float64)
    found = model.predict_probabilities(table.x[rows])
    torch.testing.assert_close(found, expected.softmax(-1))
    np.testing.assert_array_equal(y, table.y[rows])
    named = [table.classes[i] for i in expected.argmax(-1).tolist()]
    assert model.predict(table.x[rows]) == named
    singles = [run.predict_probabilities(table.x[rows]) for run in model.runs]
    torch.testing.assert_close(torch.stack(singles).mean(0), found)
    assert (model.epoch, model.classes, model.spec) == (1, table.classes, plan.spec)
    assert "runs.1.output.bias" in model.state_dict()


def test_several_runs_predict_the_mean_of_their_numbers() -> None:
    plan, blob = stored("diabetes", folds=2)
    model = model_of(multi_run.run_checkpoints(blob), (10,))
    table = load("diabetes")
    rows = split_rows(table.y, plan.spec.supervised.split, 0, classes=False).test
    expected, _ = outputs(plan, blob, "test", dtype=torch.float64)
    np.testing.assert_allclose(model.predict(table.x[rows]), expected[:, 0])


def test_one_run_is_a_plain_model() -> None:
    plan, blob = stored("wine")
    model = model_of(multi_run.run_checkpoints(blob), (13,))
    assert isinstance(model, TrainedModel)
    table = load("wine")
    rows = split_rows(table.y, plan.spec.supervised.split, 0, classes=True).test
    right = [table.classes[y] == p for y, p in
             zip(table.y[rows], model.predict(table.x[rows]), strict=True)]  # fmt: skip
    found = evaluate(plan, blob, "test", dtype=torch.float64)
    assert np.mean(right) == pytest.approx(found["test_accuracy"])


def test_rows_of_another_shape_are_refused() -> None:
    _, blob = stored("wine", repeats=2)
    with pytest.raises(InvalidInput, match=r"rows of shape \[13\], got \[4\]"):
        model_of(multi_run.run_checkpoints(blob), (13,))(np.zeros((2, 4)))
