"""What is stored of a trial's predictions is what evaluating its checkpoint gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from multi_run_plans import plan_of as plan_named
from plugin_examples import fields, plugin_study, rows
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score
from studies import curves, study

from hpsearch.errors import CorruptArtifact, TrainingFailed
from hpsearch.training.data.sources import load
from hpsearch.training.data.splits import split_rows
from hpsearch.training.evaluation import predictions
from hpsearch.training.evaluation.evaluation import evaluate, outputs
from hpsearch.training.evaluation.predictions import Predictor, plan_of
from hpsearch.training.group.group import Plan
from hpsearch.training.group.multi_run_group import group_for
from hpsearch.training.tasks.plugin import PluginTask

pytestmark = pytest.mark.usefixtures("installed")


def stored(plan):
    group = group_for([plan])
    curves(group)
    return group.checkpoint(plan.number)


def same(one, other):
    """Whether two predictions hold the same bits."""
    parts = [(one.validation, other.validation), (one.test, other.test)]
    return one.test_metrics == other.test_metrics and all(
        torch.equal(getattr(mine, name), getattr(theirs, name))
        for mine, theirs in parts
        for name in ("rows", "outputs", "targets")
    )


@pytest.mark.parametrize("name", ["folds", "repeats", "both", "regression", "images"])
def test_predictions_are_those_of_evaluation(name):
    plan = plan_named(name, epochs=2)
    blob = stored(plan)
    found = Predictor().predict(plan, blob)
    assert found.test_metrics == evaluate(plan, blob, "test")
    for part, made in (("validation", found.validation), ("test", found.test)):
        expected, targets = outputs(plan, blob, part)
        assert torch.equal(made.outputs, expected)
        assert torch.equal(made.targets, targets)
        assert made.outputs.dtype == torch.float32
        table = load(plan.spec.task.dataset)
        np.testing.assert_allclose(made.targets, table.y[made.rows], rtol=1e-5)
        assert found.classes == table.classes


def test_metrics_are_those_of_the_stored_outputs():
    plan = Plan(0, study(training={"batch_size": 16}), 3)
    found = Predictor().predict(plan, stored(plan))
    y, scores = found.test.targets, found.test.outputs.double().softmax(-1)
    assert found.test_metrics["test_loss"] == pytest.approx(log_loss(y, scores), rel=1e-5)
    assert found.test_metrics["test_accuracy"] == accuracy_score(y, scores.argmax(-1))
    assert found.test_metrics["test_auc"] == pytest.approx(
        roc_auc_score(y, scores, multi_class="ovr"), rel=1e-6
    )
    expected = split_rows(load("wine").y, plan.spec.task.split, 0, classes=True)
    assert found.validation.rows.tolist() == expected.validation.tolist()
    assert found.test.rows.tolist() == expected.test.tolist()
    assert found.target_scale == 1.0


def test_one_unit_of_a_target_is_its_standard_deviation_in_training():
    plan = Plan(0, study("diabetes"), 1)
    found = Predictor().predict(plan, stored(plan))
    table = load("diabetes")
    rows = split_rows(table.y, plan.spec.task.split, 0, classes=False)
    assert found.target_scale == pytest.approx(table.y[rows.train].std())
    assert found.classes == ()


MODELS = {
    "mlp": ("wine", {"kind": "mlp", "hidden": [9, 5], "activation": "tanh"}),
    "norm": ("wine", {"kind": "mlp", "hidden": [9], "norm": "batch"}),
    "cnn": ("digits", {"kind": "cnn", "filters": 3, "norm": "batch"}),
    "numbers": ("diabetes", {"kind": "mlp", "hidden": [7]}),
}


@pytest.mark.parametrize("name", MODELS)
def test_bits_do_not_depend_on_what_is_stacked(name, monkeypatch):
    dataset, model = MODELS[name]
    training = {"batch_size": 64, "train_fraction": 0.3}
    plans = [
        Plan(k, study(dataset, model, training=training, optimizer={"kind": "adam", "lr": lr}), 2)
        for k, lr in enumerate([0.001, 0.003, 0.01, 0.03, 0.1])
    ]
    trials = [(plan, stored(plan)) for plan in plans]
    alone = [Predictor().predict(*trial) for trial in trials]
    for size in (2, 32):
        monkeypatch.setattr(predictions, "_together", lambda _, size=size: size)
        together = Predictor().predict_all(trials)
        assert all(map(same, alone, together))
    assert not torch.equal(alone[0].test.outputs, alone[1].test.outputs)


def test_trials_of_several_tasks_and_lengths_are_told_apart():
    plans = [
        plan_named("folds", number=1, epochs=1),
        Plan(2, study(), 2),
        plan_named("both", number=3, epochs=1),
        Plan(4, study("quadratic", optimizer={"kind": "sgd", "lr": 0.1}), 1),
        plan_named("folds", number=5, epochs=2),
    ]
    trials = [(plan, stored(plan)) for plan in plans]
    found = Predictor().predict_all(trials)
    assert found.pop(3) is None  # it has no rows
    del trials[3]
    alone = [Predictor().predict(*trial) for trial in trials]
    assert all(map(same, found, alone))


def test_a_copy_that_the_trial_keeps():
    plan = Plan(0, study(training={"batch_size": 16, "ema": {}}), 2)
    blob = stored(plan)
    found = Predictor().predict(plan, blob, "ema")
    assert found.test_metrics == evaluate(plan, blob, "test", copy="ema")
    assert found.test_metrics != evaluate(plan, blob, "test")
    with pytest.raises(TrainingFailed, match="must keep swa weights"):
        Predictor().predict(plan, blob, "swa")


def test_without_test_rows_there_is_only_validation():
    plan = Plan(0, study(task={"split": {"test": 0.0}}), 1)
    found = Predictor().predict(plan, stored(plan))
    assert found.test is None
    assert found.test_metrics == {}
    assert len(found.validation.rows) == len(found.validation.outputs) > 0


def test_what_is_no_checkpoint_is_refused():
    with pytest.raises(CorruptArtifact):
        Predictor().predict(Plan(0, study(), 1), b"no checkpoint at all")


def test_a_checkpoint_tells_its_plan():
    for plan in (Plan(3, study(training={"epochs": 2}), 2), plan_named("both", epochs=1)):
        found = plan_of(stored(plan))
        assert (found.number, found.spec) == (plan.number, plan.spec)


def test_a_plug_in_s_predictions(installed):
    plan = Plan(0, plugin_study(training={"batch_size": 16, "repeats": 2}), 2)
    blob = stored(plan)
    found = Predictor().predict(plan, blob)
    assert found.test_metrics == evaluate(plan, blob, "test")
    assert torch.equal(found.validation.outputs, outputs(plan, blob, "validation")[0])
    assert torch.equal(found.validation.targets, rows(1, 30)[1])
    assert found.test.rows.tolist() == list(range(20))


def test_a_plug_in_without_predictions_or_test_rows(installed):
    def nothing(params, seed):
        loss = lambda outputs, y: F.cross_entropy(outputs, y["label"])  # noqa: E731
        given = {n: (x, {"label": y}) for n, (x, y) in _parts(seed).items()}
        return PluginTask(**{**fields(params, seed), **given, "loss": loss, "metrics": {}})

    def untested(params, seed):
        return PluginTask(**{**fields(params, seed), "test": None})

    installed(nothing=nothing, untested=untested)
    loss = {"metric": "val_loss", "direction": "minimize"}
    plan = Plan(0, plugin_study("nothing", objective=loss), 1)
    assert Predictor().predict(plan, stored(plan)) is None
    plan = Plan(0, plugin_study("untested"), 1)
    found = Predictor().predict(plan, stored(plan))
    assert (found.test, found.test_metrics) == (None, {})


def _parts(seed):
    return {name: fields({}, seed)[name] for name in ("train", "validation", "test")}
