from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import Any

import numpy as np
import pytest
import torch
from finished_study import FinishedStudy, finished
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from sklearn.metrics import accuracy_score, f1_score, log_loss, roc_auc_score

from hpsearch.ensemble_builder import BuiltEnsemble, build
from hpsearch.ensemble_builder.archive import EnsembleArchive
from hpsearch.ensemble_builder.ranking import evenly_spaced
from hpsearch.ensembling import predictions
from hpsearch.errors import InvalidInput, TrainingFailed
from hpsearch.spec.ensemble import EnsembleSpec
from hpsearch.spec.wire.ensembles import Candidate, EnsembleResult
from hpsearch.training.checkpoints import checkpoint as checkpoints
from hpsearch.training.evaluation.evaluation import outputs
from hpsearch.training.evaluation.predictions import plan_of

KINDS = (
    "greedy", "top_k", "reinit", "snapshots", "average", "ema", "swa", "soup_uniform",
    "soup_greedy",
)  # fmt: skip


def built(study: FinishedStudy, **request: Any) -> BuiltEnsemble:
    asked: EnsembleSpec = TypeAdapter(EnsembleSpec).validate_python(request)
    return build(asked, study.spec, study.candidates, study)


def members(result: EnsembleResult) -> list[tuple[int, int]]:
    return [(member.trial, member.epoch) for member in result.members]


def said(study: FinishedStudy, trial: int, epoch: int, split: Any) -> tuple[Any, Any]:
    """Probabilities in float64, straight from the checkpoint, and targets."""
    blob = study.checkpoint(study.of(trial, epoch))
    made, targets = outputs(plan_of(blob), blob, split)
    return made.double().softmax(-1).numpy(), targets.numpy()


def best_first(study: FinishedStudy) -> list[Candidate]:
    found = [one for one in study.candidates if one.best]
    return sorted(found, key=lambda one: (-(one.value or 0), one.trial))


def only_part(content: bytes) -> checkpoints.Checkpoint:
    with EnsembleArchive(content) as archive:
        (part,) = archive.manifest.parts
        return checkpoints.read(archive.read_part(part))


@pytest.mark.parametrize("kind", ["top_k", "reinit"])
def test_the_best_trials_are_averaged_and_scored_as_scikit_learn_does(kind: str) -> None:
    study = finished()
    result = built(study, kind=kind, size=3).result
    expected = best_first(study)[:3]
    assert members(result) == [(one.trial, one.epoch) for one in expected]
    assert [member.weight for member in result.members] == pytest.approx([1 / 3] * 3)
    for split, found in (("validation", result.validation), ("test", result.test)):
        alone = [said(study, one.trial, one.epoch, split) for one in expected]
        mean, y = np.mean([p for p, _ in alone], axis=0), alone[0][1]
        assert found["accuracy"] == pytest.approx(accuracy_score(y, mean.argmax(1)))
        assert found["loss"] == pytest.approx(log_loss(y, mean), rel=1e-5)
        assert found["f1"] == pytest.approx(f1_score(y, mean.argmax(1), average="macro"))
        assert found["auc"] == pytest.approx(roc_auc_score(y, mean, multi_class="ovr"))
        single, theirs = alone[0][0], getattr(result.best_single, split)
        assert theirs["loss"] == pytest.approx(log_loss(y, single), rel=1e-5)
        losses = [log_loss(y, p) for p, _ in alone]
        assert getattr(result.mean_member, split)["loss"] == pytest.approx(np.mean(losses), 1e-5)
    assert (result.best_single.trial, result.best_single.epoch) == members(result)[0]


def test_greedy_adds_what_helps_most() -> None:
    study = finished()
    result = built(study, kind="greedy", size=5, bags=0, metric="val_loss").result
    listed = [said(study, one.trial, one.epoch, "validation") for one in study.candidates]
    y, chosen, losses = listed[0][1], list[int](), list[float]()
    for _ in range(5):
        tried = [
            log_loss(y, np.mean([listed[m][0] for m in [*chosen, one]], axis=0))
            for one in range(len(listed))
        ]
        chosen.append(int(np.argmin(tried)))
        losses.append(min(tried))
    kept = chosen[: int(np.argmin(losses)) + 1]
    places = [(study.candidates[m].trial, study.candidates[m].epoch) for m in kept]
    weights = {pair: places.count(pair) / len(places) for pair in places}
    found = {(m.trial, m.epoch): m.weight for m in result.members}
    assert found == pytest.approx(weights)
    assert result.validation["loss"] == pytest.approx(min(losses), rel=1e-5)
    assert result.candidates == len(study.candidates)


def test_a_metric_of_the_request_orders_trials() -> None:
    study = finished()
    by_loss = sorted(
        (one for one in study.candidates if one.best),
        key=lambda one: log_loss(*said(study, one.trial, one.epoch, "validation")[::-1]),
    )
    result = built(study, kind="top_k", size=3, metric="val_loss").result
    assert members(result) == [(one.trial, one.epoch) for one in by_loss[:3]]
    best = best_first(study)[0]
    assert (result.best_single.trial, result.best_single.epoch) == (best.trial, best.epoch)
    with pytest.raises(TrainingFailed, match=r"must be one of val_accuracy, .* got val_mood"):
        built(study, kind="top_k", metric="val_mood")


def test_weights_that_are_fitted_are_no_worse_than_equal_ones_on_validation() -> None:
    study = finished()
    equal, fitted = (
        built(study, kind="top_k", size=4, combine=how).result for how in ("mean", "weighted")
    )
    assert fitted.validation["loss"] <= equal.validation["loss"] + 1e-9
    assert sum(member.weight for member in fitted.members) == pytest.approx(1)
    assert all(member.weight > 0 for member in fitted.members)


def test_snapshots_are_those_at_minima_or_evenly_spaced() -> None:
    study = finished()
    trial = best_first(study)[0].trial
    assert members(built(study, kind="snapshots", size=2).result) == [(trial, 1), (trial, 3)]
    marked = replace(
        study,
        candidates=tuple(
            one.model_copy(update={"reasons": ("snapshot",) if one.epoch in (0, 3) else ()})
            for one in study.candidates
        ),
    )
    result = built(marked, kind="snapshots", size=4, trial=1).result
    assert members(result) == [(1, 0), (1, 3)]


@given(st.integers(1, 60), st.integers(1, 60))
def test_evenly_spaced_checkpoints_end_with_the_last(count: int, size: int) -> None:
    candidate = finished().candidates[0]
    listed = [candidate.model_copy(update={"epoch": epoch}) for epoch in range(count)]
    epochs = [one.epoch for one in evenly_spaced(listed, size)]
    assert len(epochs) == min(size, count)
    assert epochs[-1] == count - 1
    gaps = np.diff([-1, *epochs])
    assert gaps.min() >= 1
    assert gaps.max() - gaps.min() <= 1


@pytest.mark.parametrize(
    ("kind", "remedy"), [("snapshots", r"checkpoints\.every"), ("average", r"checkpoints\.recent")]
)
def test_one_checkpoint_is_too_few(kind: str, remedy: str) -> None:
    study = finished()
    study = study.without(one for one in study.candidates if not one.last)
    with pytest.raises(TrainingFailed, match=f"at least 2 checkpoints .* set {remedy}"):
        built(study, kind=kind)


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("snapshots", "no snapshots are kept, so epochs {} and 3 of trial {} are combined; set "),
        ("average", "no late epochs are kept, so epochs {} and 3 of trial {} are averaged; set "),
    ],
)
def test_best_and_last_epoch_in_the_place_of_what_is_asked_for_are_said(
    kind: str, sentence: str
) -> None:
    study = finished()
    kept = [one for one in study.candidates if one.best or one.last]
    plain = tuple(one.model_copy(update={"reasons": ()}) for one in kept)
    first = next(one for one in best_first(study) if one.epoch < 3)
    result = built(replace(study, candidates=plain), kind=kind, trial=first.trial).result
    assert members(result) == [(first.trial, first.epoch), (first.trial, 3)]
    assert [sentence.format(first.epoch, first.trial) in text for text in result.warnings] == [True]


def test_trainings_that_came_to_nothing_are_said() -> None:
    result = built(finished(), kind="reinit", size=7).result
    assert len(result.members) == 5
    assert result.warnings == ["5 of the 7 trainings came to a model"]


def test_a_trial_without_checkpoints_is_named() -> None:
    with pytest.raises(TrainingFailed, match="none of trial 77 is kept"):
        built(finished(), kind="average", trial=77)


def test_an_average_is_the_mean_of_the_last_weights() -> None:
    study = finished()
    result = built(study, kind="average", size=3, trial=2)
    assert members(result.result) == [(2, 1), (2, 2), (2, 3)]
    part = only_part(result.content)
    stored = [checkpoints.read(study.checkpoint(study.of(2, epoch))) for epoch in (1, 2, 3)]
    for name, weight in part.weights.items():
        mean = torch.stack([one.weights[name].double() for one in stored]).mean(0)
        torch.testing.assert_close(weight, mean.float())
    assert any(
        not torch.equal(part.buffers[name], torch.stack([s.buffers[name] for s in stored]).mean(0))
        for name in part.buffers
    )


@pytest.mark.parametrize("kind", ["ema", "swa"])
def test_a_kept_copy_of_the_last_epoch_becomes_the_model(kind: str) -> None:
    study = finished()
    result = built(study, kind=kind, trial=1)
    part = only_part(result.content)
    copy = checkpoints.read(study.checkpoint(study.of(1, 3))).copies[kind]
    for name, weight in part.weights.items():
        torch.testing.assert_close(weight, copy.weights[name], rtol=0, atol=0)
    (member,) = result.result.members
    assert (member.trial, member.epoch, member.weight, member.copy_) == (1, 3, 1.0, kind)
    assert member.validation == result.result.validation


def test_a_copy_that_was_never_kept_is_refused() -> None:
    study = finished("diabetes", (0.01, 0.03), 2, "val_loss", training=())
    with pytest.raises(TrainingFailed, match="keeps none"):
        built(study, kind="swa")


def test_a_uniform_soup_is_the_mean_of_the_best_trials() -> None:
    study = finished()
    result = built(study, kind="soup_uniform", size=3)
    best = best_first(study)[:3]
    assert members(result.result) == [(one.trial, one.epoch) for one in best]
    part = only_part(result.content)
    stored = [checkpoints.read(study.checkpoint(one)) for one in best]
    for name, weight in part.weights.items():
        mean = torch.stack([one.weights[name].double() for one in stored]).mean(0)
        torch.testing.assert_close(weight, mean.float())


def test_a_greedy_soup_is_no_worse_than_the_best_trial_on_validation() -> None:
    study = finished()
    for metric, sign in ((None, -1), ("val_loss", 1), ("val_mcc", -1)):
        result = built(study, kind="soup_greedy", size=5, metric=metric).result
        name = (metric or "val_accuracy").removeprefix("val_")
        own, single = result.validation, result.best_single.validation
        if metric is None:
            assert members(result)[0] == (result.best_single.trial, result.best_single.epoch)
        assert (sign * own[name], own["loss"]) <= (sign * single[name], single["loss"])


@pytest.mark.parametrize("kind", ["soup_uniform", "soup_greedy"])
def test_a_soup_of_trials_with_initial_weights_of_their_own_is_refused(kind: str) -> None:
    study = finished("diabetes", (0.01, 0.03), 2, "val_loss", training=())
    with pytest.raises(TrainingFailed, match=r"set training\.init_seed to shared"):
        built(study, kind=kind)


def test_a_trial_with_another_model_is_left_out_of_a_soup() -> None:
    study = finished()
    wide = finished(model=(("kind", "mlp"), ("hidden", (13,)), ("norm", "batch")))
    second = best_first(study)[1]
    strange = wide.of(second.trial, second.epoch)
    mixed = study.damaged(
        checkpoints={second.checkpoint: wide.checkpoint(strange)},
        stored={second.checkpoint: wide.predictions(strange)},
    )
    hashes = {"sha256": strange.sha256, "predictions_sha256": strange.predictions_sha256}
    listed = [one.model_copy(update=hashes) if one is second else one for one in study.candidates]
    found = built(replace(mixed, candidates=tuple(listed)), kind="soup_uniform", size=3).result
    (warning,) = found.warnings
    assert warning.startswith(f"trial {second.trial} is left out of the soup: ")
    assert members(found) == members(
        built(study.without([second]), kind="soup_uniform", size=3).result
    )


@pytest.mark.parametrize("kind", KINDS)
def test_test_rows_never_change_a_choice(kind: str) -> None:
    study = finished()
    stored, candidates = {}, []
    for one in study.candidates:
        read = predictions.read(study.stored[one.checkpoint])
        assert read.test is not None
        opposite = replace(read.test, outputs=-read.test.outputs)
        content = predictions.write(replace(read, test=opposite))
        stored[one.checkpoint] = content
        digest = sha256(content).hexdigest()
        candidates.append(one.model_copy(update={"predictions_sha256": digest}))
    turned = replace(study, candidates=tuple(candidates), stored=stored)
    first, second = built(study, kind=kind, size=3), built(turned, kind=kind, size=3)
    assert members(first.result) == members(second.result)
    assert first.result.validation == second.result.validation
    with EnsembleArchive(first.content) as one, EnsembleArchive(second.content) as other:
        assert one.manifest.parts == other.manifest.parts
        assert one.manifest.temperature == other.manifest.temperature


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_says_how_sure_it_is_and_makes_the_same_file_again(kind: str) -> None:
    study = finished()
    first, second = built(study, kind=kind, size=3), built(study, kind=kind, size=3)
    assert first == second
    result = first.result
    assert sum(member.weight for member in result.members) == pytest.approx(1)
    assert not result.warnings
    assert result.intervals["accuracy"].low <= result.test["accuracy"]
    assert result.test["accuracy"] <= result.intervals["accuracy"].high
    assert result.intervals["loss_gain"].low <= result.intervals["loss_gain"].high
    assert result.calibration is not None
    assert 0 <= result.calibration.ece <= 1
    assert (result.disagreement is None) == (len(result.members) == 1)


def test_numbers_are_combined_by_their_median() -> None:
    study = finished("diabetes", (0.01, 0.03, 0.1), 2, "val_loss", training=())
    result = built(study, kind="top_k", size=3, combine="median").result
    parts = [predictions.read(study.predictions(study.of(*pair))).test for pair in members(result)]
    y = parts[0].targets  # type: ignore[union-attr]
    median = np.median([part.outputs[:, 0] for part in parts if part], axis=0)
    assert result.test["mae"] == pytest.approx(np.abs(median - y).mean())
    assert result.test["rmse"] == pytest.approx(np.sqrt(np.square(median - y).mean()))
    assert result.calibration is None
    with pytest.raises(InvalidInput, match="vote"):
        built(study, kind="top_k", combine="vote")


def test_progress_never_passes_its_end() -> None:
    study, told = finished(), list[tuple[int, int, str]]()
    request: EnsembleSpec = TypeAdapter(EnsembleSpec).validate_python({"kind": "greedy"})
    build(
        request, study.spec, study.candidates, study,
        on_progress=lambda *step: told.append(step),
    )  # fmt: skip
    steps = {"reading predictions", "choosing members", "reading the members"}
    assert {what for *_, what in told} >= steps
    chosen = [(done, total) for done, total, what in told if what == "choosing members"]
    assert chosen == [(step, 200) for step in range(200)], "20 bags of 10"
    assert all(0 <= done <= total for done, total, _ in told)
