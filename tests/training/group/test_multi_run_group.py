"""A trial of several runs is what its runs are one by one, averaged."""

from __future__ import annotations

import math
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from multi_run_plans import VARIANTS, plan_of
from studies import curves, same, study, untimed

from hpsearch.errors import CorruptArtifact
from hpsearch.training.checkpoints import checkpoint as checkpoints
from hpsearch.training.checkpoints import multi_run
from hpsearch.training.evaluation.evaluation import evaluate
from hpsearch.training.group.group import Group, Plan, group_key
from hpsearch.training.group.multi_run_group import MultiRunGroup, group_for
from hpsearch.training.tasks.plan import RunId, run_ids

DOUBLE = torch.float64


def alone(plan, **options):
    """The reports of each of a plan's runs, trained on its own."""
    return [
        curves(Group([Plan(plan.number, plan.spec, plan.epochs, run_id)], **options))[plan.number]
        for run_id in run_ids(plan)
    ]


@pytest.mark.parametrize("name", VARIANTS)
def test_curves_are_the_means_of_runs_trained_one_by_one(name):
    plan = plan_of(name)
    runs = alone(plan, dtype=DOUBLE)
    reports = curves(group_for([plan], dtype=DOUBLE))[plan.number]
    assert len(reports) == max(map(len, runs))
    for epoch, report in enumerate(reports):
        each = [untimed(run[min(epoch, len(run) - 1)]) for run in runs]
        found = untimed(report)
        for metric in each[0]:
            values = [metrics[metric] for metrics in each if metric in metrics]
            assert found[metric] == pytest.approx(np.mean(values), rel=1e-9, abs=1e-11)
            if metric.startswith("val_"):
                spread = np.std(values, ddof=1)
                assert found[f"{metric}_std"] == pytest.approx(spread, rel=1e-6, abs=1e-9)
        assert report.metrics["seconds"] > 0
        assert report.metrics["samples_per_second"] > 0
        assert (report.epoch, report.finished) == (epoch, epoch == len(reports) - 1)


@pytest.mark.parametrize("name", VARIANTS)
def test_trials_train_together_as_alone(name):
    plans = [plan_of(name, 7 * k, 3, lr=0.1 * 2.0**-k) for k in range(3)]
    together = curves(group_for(plans, dtype=DOUBLE))
    for plan in plans:
        single = curves(group_for([plan], dtype=DOUBLE))[plan.number]
        for one, other in zip(together[plan.number], single, strict=True):
            assert untimed(one) == pytest.approx(untimed(other), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_resumed_trial_is_the_uninterrupted_one(name):
    plan = plan_of(name, epochs=6)
    whole = group_for([plan])
    blobs, expected = [], []
    for (report,) in whole.epochs():
        expected.append(report)
        blobs.append(whole.checkpoint(plan.number))
    for epoch in {0, len(blobs) - 2, len(blobs) - 1}:
        group = group_for([plan], resume={plan.number: blobs[epoch]})
        rest = curves(group).get(plan.number, [])
        assert [r.epoch for r in rest] == [r.epoch for r in expected[epoch + 1 :]]
        assert [untimed(r) for r in rest] == [untimed(r) for r in expected[epoch + 1 :]]
        pairs = [
            multi_run.run_checkpoints(blob) for blob in (group.checkpoint(plan.number), blobs[-1])
        ]
        assert all(same(one, other) for one, other in zip(*pairs, strict=True))


def test_runs_that_have_stopped_keep_their_last_metrics_also_after_a_resume():
    plan = plan_of("stopping", epochs=20)
    runs = alone(plan, dtype=DOUBLE)
    shortest, longest = min(map(len, runs)), max(map(len, runs))
    assert shortest + 2 < longest < 20
    group, blob = group_for([plan], dtype=DOUBLE), b""
    for (report,) in group.epochs():
        blob = group.checkpoint(plan.number)
        if report.epoch == shortest:  # one run has stopped an epoch ago
            break
    stored = multi_run.read(blob)
    assert [run.final_metrics is not None for run in stored] == [len(r) == shortest for r in runs]
    rest = curves(group_for([plan], dtype=DOUBLE, resume={plan.number: blob}))[plan.number]
    assert [report.epoch for report in rest] == list(range(shortest + 1, longest))
    ends = [run[-1].metrics for run in runs]
    for metric in ("val_loss", "train_loss", "grad_norm"):
        expected = np.mean([metrics[metric] for metrics in ends])
        assert rest[-1].metrics[metric] == pytest.approx(expected, rel=1e-9)
    trained = [r.metrics["seconds"] * r.metrics["samples_per_second"] for r in rest]
    alive = [sum(len(run) > report.epoch for run in runs) for report in rest]
    assert trained == pytest.approx([180 * count for count in alive])


def test_the_first_repeat_is_the_trial_without_repeats():
    plan = plan_of("repeats")
    training = plan.spec.training.model_copy(update={"repeats": 1})
    single = Plan(3, plan.spec.model_copy(update={"training": training}), plan.epochs)
    first, *others = alone(plan, dtype=DOUBLE)
    expected = curves(group_for([single], dtype=DOUBLE))[3]
    assert [untimed(r) for r in first] == [untimed(r) for r in expected]
    for other in others:
        assert untimed(other[0])["train_loss"] != untimed(expected[0])["train_loss"]


def first_weights(*plans):
    return Group(plans)._state.weights


def test_every_repeat_of_every_trial_starts_from_weights_of_its_own():
    spec = study(training={"repeats": 3})
    plans = [Plan(9 * t + r, spec, 1, RunId(t, None, r)) for t in range(3) for r in range(3)]
    rows = first_weights(*plans)
    assert len({tuple(row.tolist()) for row in rows}) == 9


def test_trials_that_share_their_start_share_that_of_each_repeat():
    spec = study(training={"repeats": 2, "init_seed": "shared"})
    plans = [Plan(9 * t + r, spec, 1, RunId(t, None, r)) for t in (1, 5) for r in (0, 1)]
    rows = first_weights(*plans)
    assert torch.equal(rows[0], rows[2])
    assert torch.equal(rows[1], rows[3])
    assert not torch.equal(rows[0], rows[1])
    assert torch.equal(rows[0], first_weights(Plan(8, spec, 1))[0])


def test_folds_of_a_repeat_start_from_the_same_weights():
    spec = study(training={"folds": 2})
    rows = [first_weights(Plan(0, spec, 1, RunId(4, fold))) for fold in (0, 1)]
    assert torch.equal(*rows)
    assert torch.equal(rows[0], first_weights(Plan(4, spec, 1)))


def test_what_trains_on_other_rows_never_shares_a_group():
    spec = study(training={"folds": 3, "repeats": 2})
    keys = [group_key(Plan(i, spec, 1, r)) for i, r in enumerate(run_ids(Plan(0, spec, 1)))]
    assert [keys.index(key) for key in keys] == [0, 0, 2, 2, 4, 4]
    plain, folded, repeated, more = (
        group_key(Plan(0, study(training=training), 1))
        for training in ({}, {"folds": 3}, {"repeats": 2}, {"repeats": 5})
    )
    assert len({plain, folded, repeated, *keys}) == 6
    assert repeated == more


def test_trials_of_different_repeats_and_lengths_go_together():
    plans = [
        Plan(0, study(training={"repeats": 2}), 2),
        Plan(1, study(training={"repeats": 4}), 3),
    ]
    group = MultiRunGroup(plans, dtype=DOUBLE)
    assert len(group._groups) == 1
    passes = []
    for reports in group.epochs():
        passes.append([report.number for report in reports])
        assert set(passes[-1]) == set(group.numbers)
    assert passes == [[0, 1], [0, 1], [1]]
    assert [len(multi_run.read(group.checkpoint(1)))] == [4]


def test_small_groups_give_the_same_means():
    plans = [plan_of("both", number, 2) for number in (0, 1)]
    whole = curves(MultiRunGroup(plans, dtype=DOUBLE))
    group = MultiRunGroup(plans, dtype=DOUBLE, max_runs=1)
    assert len(group._groups) == 8
    for number, reports in curves(group).items():
        for one, other in zip(reports, whole[number], strict=True):
            assert untimed(one) == pytest.approx(untimed(other), rel=1e-9, abs=1e-11)


def test_a_run_that_diverges_takes_its_trial_with_it_and_no_other():
    good = plan_of("repeats", 1)
    wild = Plan(2, good.spec, good.epochs)
    group = MultiRunGroup([good, wild])
    expected = curves(MultiRunGroup([good]))[1]
    group._groups[0]._state.weights[4] = math.inf  # one of the wild trial's three runs
    found = curves(group)
    assert [report.diverged for report in found[2]] == [True]
    assert found[2][0].finished
    assert not math.isfinite(found[2][0].metrics["train_loss"])
    assert math.isnan(found[2][0].metrics["val_loss_std"])
    for one, other in zip(found[1], expected, strict=True):
        assert untimed(one) == pytest.approx(untimed(other), rel=1e-4)


def test_dropping_a_trial_leaves_the_others_as_they_were():
    plans = [plan_of("both", number) for number in (0, 7)]
    expected = curves(MultiRunGroup(plans, dtype=DOUBLE))
    group = MultiRunGroup(plans, dtype=DOUBLE)
    passes = group.epochs()
    next(passes)
    group.drop(0)
    assert group.numbers == (7,)
    assert all(len(part.numbers) == 2 for part in group._groups)
    for reports, other in zip(passes, expected[7][1:], strict=True):
        (report,) = reports
        assert untimed(report) == pytest.approx(untimed(other), rel=1e-9, abs=1e-11)
    for refused in (group.drop, group.checkpoint):
        with pytest.raises(KeyError, match="trial 0 is not in this group"):
            refused(0)


@pytest.mark.parametrize("failing", [0, 1, 3])
def test_where_memory_runs_out_no_run_is_ahead_of_the_others(failing, monkeypatch):
    plans = [plan_of("both", number, 3) for number in (0, 1)]
    expected = curves(MultiRunGroup(plans, dtype=DOUBLE, max_runs=2))
    group = MultiRunGroup(plans, dtype=DOUBLE, max_runs=2)
    passes = group.epochs()
    next(passes)

    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    with monkeypatch.context() as patched:
        patched.setattr(group._groups[failing], "_epoch", full)
        with pytest.raises(torch.OutOfMemoryError):
            next(passes)
    blobs = {number: group.checkpoint(number) for number in group.numbers}
    for blob in blobs.values():
        assert {found.epoch for found in multi_run.run_checkpoints(blob)} == {0}
    for rest in (
        curves(group),
        curves(MultiRunGroup(plans, dtype=DOUBLE, max_runs=2, resume=blobs)),
    ):
        for number, reports in rest.items():
            assert [untimed(r) for r in reports] == [untimed(r) for r in expected[number][1:]]


def test_a_longer_stage_goes_on_from_a_shorter_one():
    plan = plan_of("folds", epochs=2)
    group = group_for([plan])
    list(group.epochs())
    longer = Plan(plan.number, plan.spec, 4)
    blob = group.checkpoint(plan.number)
    assert [r.epoch for r in curves(group_for([longer], resume={3: blob}))[3]] == [2, 3]
    assert curves(group_for([plan], resume={3: blob})) == {}


def test_a_checkpoint_of_other_runs_is_refused():
    folds, repeats = plan_of("folds"), plan_of("repeats")
    single = Plan(3, study(), 2)
    blobs = {}
    for plan in (folds, repeats, single):
        group = group_for([plan])
        next(group.epochs())
        blobs[plan] = group.checkpoint(3)
    with pytest.raises(CorruptArtifact, match="must hold the 3 runs that folds and repeats make"):
        group_for([repeats], resume={3: blobs[folds]})
    with pytest.raises(CorruptArtifact, match="does not say that it is one"):
        group_for([folds], resume={3: blobs[single]})
    with pytest.raises(CorruptArtifact, match="does not say that it is one"):
        group_for([single], resume={3: blobs[folds]})
    with pytest.raises(CorruptArtifact, match=r"must hold the 3 runs .* and it holds 1; use one"):
        evaluate(folds, blobs[single], "test")


def test_test_rows_influence_nothing(monkeypatch):
    from hpsearch.training.data import datasets
    from hpsearch.training.data.sources import load

    plan = plan_of("folds", epochs=2)
    expected = curves(group_for([plan]))[3]
    rows = datasets.dataset_for(
        plan.spec.supervised, plan.spec.seed, device=torch.device("cpu"), dtype=torch.float32
    ).indices.test
    table = load("wine")
    x = table.x.copy()
    x[rows] = 1e6
    spoiled = type(table)(x, table.y, table.classes)
    source = Mock(table=lambda: spoiled)
    monkeypatch.setattr(datasets, "find_source", lambda name, version: source)
    datasets._folded.cache_clear()
    found = curves(group_for([plan]))[3]
    datasets._folded.cache_clear()
    assert [untimed(r) for r in found] == [untimed(r) for r in expected]


def test_the_quadratic_may_be_repeated():
    spec = study("quadratic", optimizer={"kind": "sgd", "lr": 0.2}, training={"repeats": 2})
    reports = curves(group_for([Plan(0, spec, 2)], dtype=DOUBLE))[0]
    assert [r.metrics["w"] for r in reports] == pytest.approx([2.6, 1.16])
    assert [r.metrics["val_loss_std"] for r in reports] == [0.0, 0.0]


def test_a_checkpoint_s_runs_are_checkpoints():
    plan = plan_of("folds", epochs=1)
    group = group_for([plan])
    list(group.epochs())
    for run in multi_run.read(group.checkpoint(3)):
        found = checkpoints.read(run.checkpoint)
        assert (found.number, found.epoch, found.spec) == (3, 0, plan.spec)
