"""A resumed trial goes on bit for bit."""

from __future__ import annotations

import pytest
import torch
from group_variants import VARIANTS, plans
from studies import curves, same, trained, untimed

from hpsearch.errors import CorruptArtifact
from hpsearch.training.checkpoints import checkpoint as checkpoints
from hpsearch.training.evaluation.evaluation import evaluate, outputs
from hpsearch.training.group.group import Group, Plan


def stopped(plan, epochs, **options):
    """The checkpoint after some epochs of a longer plan."""
    group = Group([plan], **options)
    for _, _ in zip(range(epochs), group.epochs(), strict=False):
        pass
    return group.checkpoint(plan.number)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_resumed_trial_is_the_uninterrupted_one(name):
    slow = name in ("cnn", "resnet", "images")
    split, epochs = (1, 3) if slow else (2 if name == "early_stopping" else 4, 10)
    (plan,) = plans(name, count=1, epochs=epochs)
    whole, end = trained(plan)
    blob = stopped(plan, split)
    assert checkpoints.read(blob).epoch == split - 1
    rest, resumed_end = trained(plan, resume={plan.number: blob})
    assert [report.epoch for report in rest] == [report.epoch for report in whole[split:]]
    assert [untimed(r) for r in rest] == [untimed(r) for r in whole[split:]]
    assert same(end, resumed_end)
    for field in ("history", "best", "swa_epochs", "stopped", "updates"):
        assert getattr(end, field) == getattr(resumed_end, field)


@pytest.mark.parametrize("name", VARIANTS)
def test_trials_at_different_epochs_train_in_one_group(name):
    early, late = plans(name, count=2, epochs=4)
    expected = {plan.number: trained(plan, dtype=torch.float64)[0] for plan in (early, late)}
    blob = stopped(late, 2, dtype=torch.float64)
    group = Group([early, late], dtype=torch.float64, resume={late.number: blob})
    for number, reports in curves(group).items():
        for report in reports:
            whole = untimed(expected[number][report.epoch])
            assert untimed(report) == pytest.approx(whole, rel=1e-9, abs=1e-12)


def test_a_finished_trial_has_nothing_left():
    (plan,) = plans("mlp", count=1, epochs=2)
    blob = stopped(plan, 2)
    group = Group([plan], resume={plan.number: blob})
    assert list(group.epochs()) == []
    assert same(checkpoints.read(group.checkpoint(plan.number)), checkpoints.read(blob))


def test_a_checkpoint_of_another_model_or_optimizer_is_refused():
    (mlp,) = plans("mlp", count=1)
    blob = stopped(mlp, 1)
    for name in ("linear", "adam"):
        (other,) = plans(name, count=1)
        with pytest.raises(CorruptArtifact, match="start the trial from the beginning"):
            Group([other], resume={other.number: blob})


@pytest.mark.parametrize("name", ["mlp", "cnn", "batch_norm"])
def test_stored_weights_measure_as_they_did_in_training(name):
    (plan,) = plans(name, count=1, epochs=1)
    group = Group([plan])
    ((report,),) = group.epochs()
    blob = group.checkpoint(plan.number)
    found = evaluate(plan, blob, "validation")
    assert found == {key: v for key, v in report.metrics.items() if key.startswith("val_")}
    names = {name.replace("val_", "test_", 1) for name in found}
    assert names >= {"test_loss", "test_accuracy", "test_f1", "test_auc"}
    assert set(evaluate(plan, blob, "test")) == names
    logits, y = outputs(plan, blob, "validation")
    assert float((logits.argmax(-1) == y).float().mean()) == pytest.approx(found["val_accuracy"])


def test_a_stage_that_is_longer_goes_on_from_a_shorter_one():
    (plan,) = plans("mlp", count=1, epochs=2)
    blob = stopped(plan, 2)
    longer = Plan(plan.number, plan.spec, 5)
    reports, _ = trained(longer, resume={plan.number: blob})
    assert [report.epoch for report in reports] == [2, 3, 4]
