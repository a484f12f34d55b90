"""What stored weights of a trial of several runs say: means, and outputs for rows held out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from multi_run_plans import plan_of
from sklearn.metrics import accuracy_score, log_loss
from studies import curves, study

from hpsearch.errors import TrainingFailed
from hpsearch.training.data.datasets import dataset_for
from hpsearch.training.data.folds import Fold, folds_of
from hpsearch.training.data.sources import load
from hpsearch.training.evaluation.evaluation import evaluate, outputs, run_outputs
from hpsearch.training.group.group import Group, Plan
from hpsearch.training.group.multi_run_group import group_for
from hpsearch.training.tasks.plan import run_ids

DOUBLE = torch.float64


def stored(plan):
    """A trained trial's last report and its checkpoint."""
    group = group_for([plan], dtype=DOUBLE)
    reports = curves(group)[plan.number]
    return reports[-1], group.checkpoint(plan.number)


@pytest.mark.parametrize("name", ["folds", "both", "repeats", "regression"])
def test_validation_metrics_are_those_of_training(name):
    plan = plan_of(name, epochs=2)
    report, blob = stored(plan)
    found = evaluate(plan, blob, "validation", dtype=DOUBLE)
    expected = {n: v for n, v in report.metrics.items() if n.startswith("val_")}
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", ["folds", "repeats"])
def test_test_metrics_are_the_means_of_each_run_s(name):
    plan = plan_of(name, epochs=2)
    _, blob = stored(plan)
    found = evaluate(plan, blob, "test", dtype=DOUBLE)
    runs = run_outputs(plan, blob, "test", dtype=DOUBLE)
    assert [run.run_id for run in runs] == list(run_ids(plan))
    for metric, oracle in (
        ("loss", lambda run: log_loss(run.targets, run.outputs.softmax(-1))),
        ("accuracy", lambda run: accuracy_score(run.targets, run.outputs.argmax(-1))),
    ):
        each = [oracle(run) for run in runs]
        assert found[f"test_{metric}"] == pytest.approx(np.mean(each), rel=1e-9)
        assert found[f"test_{metric}_std"] == pytest.approx(np.std(each, ddof=1), abs=1e-9)


def test_copies_are_averaged_too():
    plan = plan_of("repeats", epochs=2)
    report, blob = stored(plan)
    found = evaluate(plan, blob, "validation", copy="ema", dtype=DOUBLE)
    assert found["val_loss"] == pytest.approx(report.metrics["ema_val_loss"], rel=1e-9)
    with pytest.raises(TrainingFailed, match="must keep swa weights"):
        evaluate(plan, blob, "validation", copy="swa")


def test_under_folds_every_validation_row_is_seen_by_the_runs_that_did_not_train_on_it():
    plan = plan_of("both", epochs=2)  # two folds, two repeats
    _, blob = stored(plan)
    table, spec = load("wine"), plan.spec
    folds = folds_of(table, spec.task.split, spec.seed, 2)
    runs = run_outputs(plan, blob, "validation", dtype=DOUBLE)
    for run in runs:
        assert run.rows.tolist() == folds[run.run_id.fold].validation.tolist()
        np.testing.assert_array_equal(run.targets, table.y[run.rows])
    combined, y = outputs(plan, blob, "validation", dtype=DOUBLE)
    rows = np.sort(np.concatenate([fold.validation for fold in folds]))
    np.testing.assert_array_equal(y, table.y[rows])
    torch.testing.assert_close(combined.exp().sum(-1), torch.ones(len(rows), dtype=DOUBLE))
    by_row = {}
    for run in runs:
        for row, scores in zip(run.rows.tolist(), run.outputs.softmax(-1), strict=True):
            by_row.setdefault(row, []).append(scores)
    assert {len(scores) for scores in by_row.values()} == {2}
    expected = torch.stack([torch.stack(by_row[row]).mean(0) for row in rows.tolist()])
    torch.testing.assert_close(combined.softmax(-1), expected)


def test_on_test_rows_the_outputs_of_all_runs_are_combined():
    plan = plan_of("both", epochs=1)
    _, blob = stored(plan)
    combined, _ = outputs(plan, blob, "test", dtype=DOUBLE)
    runs = run_outputs(plan, blob, "test", dtype=DOUBLE)
    assert len(runs) == 4
    expected = torch.stack([run.outputs.softmax(-1) for run in runs]).mean(0)
    torch.testing.assert_close(combined.softmax(-1), expected)


def test_numbers_are_combined_in_the_data_s_own_unit():
    plan = plan_of("regression", epochs=1)
    _, blob = stored(plan)
    table = load("diabetes")
    for split in ("validation", "test"):
        combined, y = outputs(plan, blob, split, dtype=DOUBLE)
        runs = run_outputs(plan, blob, split, dtype=DOUBLE)
        rows = torch.cat([run.rows for run in runs]).unique()
        np.testing.assert_allclose(y, table.y[rows])
        times = 1 if split == "validation" else 2
        for i in (0, len(rows) - 1):
            found = [run.outputs[run.rows == rows[i]] for run in runs]
            assert sum(map(len, found)) == times
            assert combined[i] == pytest.approx(float(torch.cat(found).mean()))


def test_a_single_run_s_outputs_are_its_own():
    plan = Plan(0, study(), 1)
    group = Group([plan])
    list(group.epochs())
    blob = group.checkpoint(0)
    logits, y = outputs(plan, blob, "validation")
    (run,) = run_outputs(plan, blob, "validation")
    assert torch.equal(logits, run.outputs)
    assert torch.equal(y, run.targets)
    data = dataset_for(plan.spec.task, 0, device=torch.device("cpu"), dtype=torch.float32)
    assert run.rows.tolist() == data.indices.validation.tolist()
    assert run.run_id.fold is None


def test_outputs_need_rows():
    plan = Plan(0, study("quadratic", optimizer={"kind": "sgd", "lr": 0.1}), 1)
    group = Group([plan])
    list(group.epochs())
    with pytest.raises(TrainingFailed, match="outputs need a task with rows, and test has none"):
        outputs(plan, group.checkpoint(0), "validation")
    spec = study(task={"split": {"test": 0.0}}, training={"folds": 2})
    plan = Plan(0, spec, 1)
    group = group_for([plan])
    list(group.epochs())
    with pytest.raises(TrainingFailed, match=r"task.split.test must leave at least one row"):
        evaluate(plan, group.checkpoint(0), "test")


def test_folds_are_shared_by_all_that_ask():
    plan = plan_of("folds")
    one, other = (
        dataset_for(plan.spec.task, 0, device=torch.device("cpu"), dtype=DOUBLE, fold=Fold(1, 3))
        for _ in range(2)
    )
    assert one is other
