"""What is reported of models of uneven data is what scikit-learn makes of their predictions."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from hpsearch.errors import TrainingFailed
from hpsearch.spec.checks.complete import complete
from hpsearch.spec.study import parse_study
from hpsearch.training.data import local_uploads
from hpsearch.training.data.sources import load
from hpsearch.training.evaluation.evaluation import evaluate, outputs, run_outputs
from hpsearch.training.group.group import Plan
from hpsearch.training.group.multi_run_group import group_for
from hpsearch.training.uploads.describe import describe
from hpsearch.training.uploads.read_options import ReadOptions

torch.set_num_threads(1)


@pytest.fixture
def upload(tmp_path):
    """Makes a table of two features and a target known, and describes it as the server would."""

    def put(name, x, y):
        lines = [f"{a:.17g},{b:.17g},{target}" for (a, b), target in zip(x, y, strict=True)]
        path = tmp_path / f"{name}.csv"
        path.write_text("\n".join(["first,second,outcome", *lines]))
        sha = hashlib.sha256(path.read_bytes()).hexdigest()
        options = ReadOptions("csv", "outcome")
        local_uploads.register(local_uploads.LocalUpload(name, path, sha, options))
        return describe(name, load(name))

    return put


def resolved(info, task=None, **sections):
    document = {
        "name": "uneven",
        "task": {"dataset": info.name, "model": {"kind": "mlp", "hidden": [4]}, **(task or {})},
        "optimizer": {"kind": "adam", "lr": 0.03},
        "training": {"batch_size": 64, **sections.pop("training", {})},
        **sections,
    }
    return complete(parse_study(document), info)


def trained(spec, epochs=3):
    """A trial's last report, its plan and its checkpoint; in double precision."""
    plan = Plan(0, spec, epochs)
    group = group_for([plan], dtype=torch.float64)
    for (report,) in group.epochs():
        last = report.metrics, group.checkpoint(0)
    return (*last, plan)


def predicted(plan, blob, split):
    found, targets = outputs(plan, blob, split, dtype=torch.float64)
    return found, targets.numpy()


def uneven(seed, rows, share):
    rng = np.random.default_rng(seed)
    y = (rng.random(rows) < share).astype(int)
    y[:8] = [0, 1] * 4
    return rng.normal(size=(rows, 2)) + y[:, None] * 0.8, y


def of_two_classes(found, y, positive):
    """scikit-learn's scores of outputs for two classes, of which one is positive."""
    shares, said = found.softmax(-1).numpy(), found.argmax(-1).numpy()
    truth, taken = y == positive, said == positive
    return {
        "accuracy": oracle.accuracy_score(y, said),
        "f1": oracle.f1_score(truth, taken, zero_division=0),
        "f1_macro": oracle.f1_score(y, said, average="macro"),
        "balanced_accuracy": oracle.balanced_accuracy_score(y, said),
        "auc": oracle.roc_auc_score(y, shares[:, 1]),
        "average_precision": oracle.average_precision_score(truth, shares[:, positive]),
        "mcc": oracle.matthews_corrcoef(y, said),
        "log_loss": oracle.log_loss(y, shares, labels=[0, 1]),
    }


def shown(metrics, prefix, names):
    return {name: metrics[f"{prefix}_{name}"] for name in names}


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10_000), st.integers(120, 400), st.sampled_from([0.04, 0.1, 0.9, 0.5]))
def test_uneven_classes(upload, seed, rows, share):
    x, y = uneven(seed, rows, share)
    words = np.array(["healthy", "ill"])[y]
    info = upload("uneven", x, words)
    spec = resolved(info)
    rarer = "ill" if y.mean() <= 0.5 else "healthy"
    assert spec.supervised.positive == rarer
    metrics, blob, plan = trained(spec)
    names = info.class_names
    for prefix, split in (("val", "validation"), ("test", "test")):
        found, targets = predicted(plan, blob, split)
        expected = of_two_classes(found, targets, names.index(rarer))
        reported = metrics if prefix == "val" else evaluate(plan, blob, "test", dtype=torch.float64)
        assert shown(reported, prefix, expected) == pytest.approx(expected, abs=1e-9)
        recalls = oracle.recall_score(targets, found.argmax(-1), average=None, labels=[0, 1])
        assert shown(reported, prefix, [f"recall[{name}]" for name in names]) == pytest.approx(
            dict(zip([f"recall[{name}]" for name in names], recalls, strict=True))
        )


@pytest.mark.parametrize("positive", ["healthy", "ill"])
def test_the_class_that_a_person_names_is_the_positive_one(upload, positive):
    x, y = uneven(3, 300, 0.2)
    info = upload("named", x, np.array(["healthy", "ill"])[y])
    metrics, blob, plan = trained(resolved(info, {"positive": positive}))
    found, targets = predicted(plan, blob, "validation")
    expected = of_two_classes(found, targets, info.class_names.index(positive))
    assert shown(metrics, "val", expected) == pytest.approx(expected)


def test_a_stored_study_without_a_positive_class_keeps_the_macro_f1(upload):
    x, y = uneven(4, 300, 0.2)
    spec = resolved(upload("stored", x, np.array(["healthy", "ill"])[y]))
    task = spec.supervised.model_copy(update={"positive": None})
    metrics, *_ = trained(spec.model_copy(update={"task": task}))
    assert metrics["val_f1"] == metrics["val_f1_macro"]


def test_means_over_folds_and_repeats_are_of_the_positive_class(upload):
    x, y = uneven(5, 200, 0.3)
    info = upload("folded", x, np.array(["healthy", "ill"])[y])
    metrics, blob, plan = trained(resolved(info, training={"folds": 3, "repeats": 2}))
    positive = info.class_names.index("ill")
    again = evaluate(plan, blob, "validation", dtype=torch.float64)
    by_run = [
        of_two_classes(run.outputs, run.targets.numpy(), positive)
        for run in run_outputs(plan, blob, "validation", dtype=torch.float64)
    ]
    assert len(by_run) == 6
    for name in by_run[0]:
        mean = np.mean([run[name] for run in by_run])
        assert metrics[f"val_{name}"] == pytest.approx(mean)
        assert again[f"val_{name}"] == pytest.approx(mean)


def test_several_uneven_classes_of_which_one_has_a_single_row(upload):
    rng = np.random.default_rng(6)
    y = rng.permutation([*[0] * 200, *[1] * 30, *[2] * 12, 3])
    x = rng.normal(size=(len(y), 2)) + y[:, None]
    names = np.array(["calm", "breeze", "gale", "storm of the century"])
    info = upload("several", x, names[y])
    metrics, blob, plan = trained(resolved(info))
    found, targets = predicted(plan, blob, "validation")
    there = sorted(set(targets))
    assert [info.class_names[i] for i in there] == ["breeze", "calm", "gale"]
    said, shares = found.argmax(-1).numpy(), found.softmax(-1).numpy()
    truth = targets[:, None] == np.arange(4)
    expected = {
        "f1": oracle.f1_score(targets, said, average="macro"),
        "balanced_accuracy": np.mean(
            oracle.recall_score(targets, said, labels=there, average=None)
        ),
        "auc": np.mean([oracle.roc_auc_score(truth[:, i], shares[:, i]) for i in there]),
        "average_precision": np.mean(
            [oracle.average_precision_score(truth[:, i], shares[:, i]) for i in there]
        ),
        "mcc": oracle.matthews_corrcoef(targets, said),
        "log_loss": oracle.log_loss(targets, shares, labels=range(4)),
    }
    assert shown(metrics, "val", expected) == pytest.approx(expected)
    assert np.isnan(metrics["val_recall[storm_of_the_century]"])
    assert "val_recall[gale]" in metrics


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10_000), st.sampled_from([1e-4, 1.0, 3e6]))
def test_numbers_are_measured_in_their_own_unit(upload, seed, scale):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(150, 2))
    y = scale * (5 + x[:, 0] - 0.5 * x[:, 1] + rng.normal(size=150) / 4)
    spec = resolved(upload("prices", x, [f"{value:.17g}" for value in y]))
    assert spec.supervised.positive is None
    metrics, blob, plan = trained(spec)
    found, targets = predicted(plan, blob, "validation")
    found = found[:, 0].numpy()
    rmse = oracle.root_mean_squared_error(targets, found)
    expected = {
        "rmse": rmse,
        "mae": oracle.mean_absolute_error(targets, found),
        "mape": oracle.mean_absolute_percentage_error(targets, found),
        "r2": oracle.r2_score(targets, found),
    }
    assert shown(metrics, "val", expected) == pytest.approx(expected)
    parts = [predicted(plan, blob, split)[1] for split in ("validation", "test")]
    held_out = np.concatenate(parts)
    training = y[~np.isin(np.round(y / scale, 9), np.round(held_out / scale, 9))]
    assert metrics["val_loss"] == pytest.approx((rmse / training.std()) ** 2, rel=1e-6)


def test_a_positive_class_that_the_data_lacks_is_refused_where_it_trains(upload):
    x, y = uneven(7, 60, 0.3)
    spec = resolved(upload("lacking", x, np.array(["healthy", "ill"])[y]))
    task = spec.supervised.model_copy(update={"positive": "dead"})
    with pytest.raises(TrainingFailed, match=r"task.positive must be one of two classes, got dead"):
        trained(spec.model_copy(update={"task": task}))
