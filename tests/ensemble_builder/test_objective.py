"""Ensembles are chosen, measured and labelled by the study's objective."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from finished_study import FinishedStudy, finished
from pydantic import TypeAdapter
from sklearn import metrics as oracle
from sklearn.datasets import load_breast_cancer

from hpsearch.ensemble_builder import BuiltEnsemble, build
from hpsearch.ensemble_builder import manifest as manifests
from hpsearch.ensemble_builder.archive import EnsembleArchive
from hpsearch.ensemble_builder.manifest import FACTORS_VERSION, VERSION
from hpsearch.ensembling import predictions
from hpsearch.ensembling.combining import probabilities
from hpsearch.errors import CorruptArtifact, TrainingFailed
from hpsearch.inference.ensemble import load_ensemble
from hpsearch.spec.ensemble import EnsembleSpec
from hpsearch.spec.study import Objective

RARE = "malignant"
"""breast_cancer's first class, so that the positive one is not the second."""


def built(study: FinishedStudy, **request: Any) -> BuiltEnsemble:
    asked: EnsembleSpec = TypeAdapter(EnsembleSpec).validate_python(request)
    return build(asked, study.spec, study.candidates, study)


def uneven(seed: int, objective: str, positive: str | None = RARE) -> FinishedStudy:
    """Trials that each find other rows of a rare class, which is the first one."""
    rng = np.random.default_rng(seed)
    study = finished("breast_cancer", training=(), model=(("kind", "mlp"), ("hidden", (4,))))
    targets = tuple((rng.random(rows) > 0.1).astype(np.int64) for rows in (400, 600))
    for part in targets:
        part[:2] = 0, 1
    logits = []
    for _ in range(5):
        noise = rng.uniform(1.0, 2.5)
        parts = tuple(
            np.stack([-2.5 + 2.5 * (y == 0) + noise * rng.normal(size=len(y)), 0.0 * y], axis=1)
            for y in targets
        )
        logits.append(parts)
    return study.predicting(logits, targets).judged_by(objective, positive)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "objective",
    ["val_auc", "val_average_precision", "val_f1", "val_mcc", "val_balanced_accuracy",
     "val_log_loss", "val_recall[malignant]", "val_accuracy", "val_loss"],
)  # fmt: skip
def test_the_objective_chooses_and_heads(objective: str) -> None:
    study = uneven(0, objective)
    name = objective.removeprefix("val_")
    sign = -1 if "loss" in name else 1
    best = max(study.candidates, key=lambda one: sign * (one.value or 0))
    for kind in ("greedy", "top_k"):
        result = built(study, kind=kind, size=3).result
        assert (result.headline, result.chosen_by) == (name, objective)
        assert name in result.validation
        assert name in result.test
        assert f"{name}_gain" in result.intervals
        interval, gain = result.intervals[f"{name}_gain"], result.intervals[name]
        assert interval.low <= interval.high
        assert gain.low <= result.test[name] <= gain.high
        assert result.best_single.trial == best.trial
    best = max(
        study.candidates, key=lambda one: (one.value or 0) * (1 if "loss" not in name else -1)
    )
    assert result.best_single.trial == best.trial


def test_scores_are_those_of_scikit_learn_with_the_positive_class() -> None:
    study = uneven(1, "val_auc")
    made = built(study, kind="top_k", size=5)
    stored = [study.stored[one.checkpoint] for one in study.candidates]

    tests = [predictions.read(content).test for content in stored]
    mean = np.mean([probabilities(part.outputs) for part in tests if part], axis=0)
    assert tests[0] is not None
    y, labels = tests[0].targets, mean.argmax(1)
    found = made.result.test
    assert found["f1"] == pytest.approx(oracle.f1_score(y, labels, pos_label=0))
    assert found["f1_macro"] == pytest.approx(oracle.f1_score(y, labels, average="macro"))
    rare = (y == 0).astype(int)
    assert found["average_precision"] == pytest.approx(
        oracle.average_precision_score(rare, mean[:, 0]), rel=1e-6
    )
    assert found["auc"] == pytest.approx(oracle.roc_auc_score(rare, mean[:, 0]), rel=1e-6)


def test_a_stored_study_without_a_positive_class_keeps_the_macro_f1() -> None:
    found = built(uneven(1, "val_f1", positive=None), kind="top_k", size=3).result
    assert found.headline == "f1"
    assert found.test["f1"] == found.test["f1_macro"]


@pytest.mark.parametrize("objective", ["val_auc", "val_average_precision", "val_log_loss"])
@pytest.mark.parametrize("seed", range(4))
def test_one_greedy_selection_is_at_least_the_best_single_trial_on_validation(
    objective: str, seed: int
) -> None:
    result = built(uneven(seed, objective), kind="greedy", size=4, bags=0).result
    name = objective.removeprefix("val_")
    sign = -1 if "loss" in name else 1
    own, single = result.validation[name], result.best_single.validation[name]
    assert sign * own >= sign * single - 1e-9


def test_an_objective_that_predictions_do_not_show_is_stood_for_by_the_loss() -> None:
    study = uneven(2, "val_auc")
    spec = study.spec.model_copy(
        update={"objective": Objective(metric="train_accuracy", direction="maximize")}
    )
    result = built(replace(study, spec=spec), kind="greedy", size=3).result
    assert (result.headline, result.chosen_by) == ("loss", "val_loss")
    (warning,) = result.warnings
    assert "do not show train_accuracy, the study's objective; loss stands for it" in warning


def test_an_objective_that_validation_rows_do_not_define_is_stood_for_by_the_loss() -> None:
    rng = np.random.default_rng(0)
    study = finished("breast_cancer", training=(), model=(("kind", "mlp"), ("hidden", (4,))))
    targets = (np.ones(30, np.int64), rng.integers(2, size=40))
    logits = [tuple(rng.normal(size=(len(y), 2)) for y in targets) for _ in range(3)]
    one_class = study.predicting(logits, targets).judged_by("val_auc", RARE)  # type: ignore[arg-type]
    result = built(one_class, kind="greedy", size=3).result
    assert result.headline == "loss"
    assert "do not show val_auc" in result.warnings[0]
    with pytest.raises(TrainingFailed, match="val_auc has none as they are all of one class"):
        built(one_class, kind="top_k", metric="val_auc")


def test_another_loss_than_that_of_ensembles_is_said() -> None:
    study = uneven(3, "val_loss")
    task = study.spec.supervised.model_copy(update={"loss": "hinge"})
    spec = study.spec.model_copy(update={"task": task})
    (warning,) = built(replace(study, spec=spec), kind="greedy", size=3).result.warnings
    assert "the trials' is hinge; the two are not the same numbers" in warning


@pytest.mark.parametrize("objective", ["val_f1", "val_mcc", "val_f1_macro"])
def test_rare_classes_are_named_as_often_as_validation_rows_have_them(objective: str) -> None:
    study = uneven(4, objective)
    made = built(study, kind="top_k", size=5)
    (note,) = made.result.warnings
    name = objective.removeprefix("val_")
    assert note.startswith(f"for {name} the ensemble names ")
    rows = load_breast_cancer().data[:200]
    loaded = load_ensemble(made.content)
    with EnsembleArchive(made.content) as archive:
        manifest = archive.manifest
    factors = np.array(manifest.label_factors)
    chances = loaded.predict_probabilities(rows)
    expected = np.array(loaded.classes)[(chances * factors).argmax(1)]
    assert loaded.predict(rows).tolist() == expected.tolist()
    assert loaded.predict(rows[:1]).tolist() == expected[:1].tolist()
    answer = loaded.answer(rows[:5].tolist())
    assert answer.labels == expected[:5].tolist()
    assert manifest.version == FACTORS_VERSION
    likeliest = built(study.judged_by("val_auc", RARE), kind="top_k", size=5).result
    assert made.result.test[name] > likeliest.test[name]


@pytest.mark.parametrize(
    ("objective", "request_"),
    [("val_auc", {}), ("val_f1", {"combine": "vote"}), ("val_f1", {"size": 1})],
)
def test_the_likeliest_class_is_named_where_nothing_speaks_against_it(
    objective: str, request_: dict[str, Any]
) -> None:
    made = built(uneven(5, objective), **{"kind": "top_k", "size": 5, **request_})
    with EnsembleArchive(made.content) as archive:
        assert (archive.manifest.label_factors, archive.manifest.version) == (None, VERSION)
        assert archive.manifest.headline == objective.removeprefix("val_")
    assert not made.result.warnings


def test_factors_that_do_not_fit_the_classes_are_refused() -> None:

    with EnsembleArchive(built(uneven(6, "val_f1"), kind="top_k").content) as archive:
        document = json.loads(manifests.write(archive.manifest))
    document["label_factors"] = [0.5]
    with pytest.raises(CorruptArtifact, match="label_factors: must be one for each class, got 1"):
        manifests.read(json.dumps(document).encode())
