"""Ensembles of models of uneven data: chosen and reported by what the study is after."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import pytest
from finished_study import FinishedStudy, finished
from pydantic import TypeAdapter

from hpsearch.cli.ensembles import print_worse, summary
from hpsearch.client.ensemble import Ensemble
from hpsearch.client.notebook_html import ensemble_html
from hpsearch.ensemble_builder import build
from hpsearch.spec.ensemble import EnsembleSpec
from hpsearch.spec.wire import ensembles as records
from hpsearch.spec.wire.ensemble_comparison import compare
from hpsearch.spec.wire.ensembles import EnsembleResult

OBJECTIVES = ("val_auc", "val_average_precision", "val_f1", "val_balanced_accuracy", "val_mcc")


def trials(seed: int, objective: str, rows: tuple[int, int] = (300, 2000)) -> FinishedStudy:
    """Five trials that share what can be seen of a class of one row in twelve, and err alone."""
    rng = np.random.default_rng(seed)
    study = finished("breast_cancer", training=(), model=(("kind", "mlp"), ("hidden", (4,))))
    targets = tuple((rng.random(count) < 1 / 12).astype(np.int64) for count in rows)
    shared = [rng.normal(size=len(y)) for y in targets]
    logits = []
    for _ in range(5):
        width, shift = rng.uniform(1.0, 2.0), rng.uniform(-0.5, 0.5)
        parts = [
            np.stack(
                [0.0 * y, 3.0 * y - 2.5 + shift + seen + width * rng.normal(size=len(y))], axis=1
            )
            for y, seen in zip(targets, shared, strict=True)
        ]
        logits.append((parts[0], parts[1]))
    return study.predicting(logits, (targets[0], targets[1])).judged_by(objective, "benign")


def built(study: FinishedStudy, **request: Any) -> EnsembleResult:
    asked: EnsembleSpec = TypeAdapter(EnsembleSpec).validate_python(request)
    return build(asked, study.spec, study.candidates, study).result


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_greedy_ensembles_are_better_than_the_best_trial_by_the_objective(objective: str) -> None:
    name = objective.removeprefix("val_")
    gains = []
    for seed in range(6):
        result = built(trials(seed, objective), kind="greedy", size=5)
        assert (result.headline, result.chosen_by) == (name, objective)
        gains.append(result.test[name] - result.best_single.test[name])
    doubt = 2 * np.std(gains, ddof=1) / np.sqrt(len(gains))
    # That of balanced accuracy is smaller: its best share of rows for the rare class is not theirs.
    assert np.mean(gains) > (0 if objective == "val_balanced_accuracy" else doubt)


def test_one_selection_by_auc_is_at_least_the_best_trial_on_validation() -> None:
    for seed in range(6):
        result = built(trials(seed, "val_auc", (120, 10)), kind="greedy", size=5, bags=0)
        assert result.validation["auc"] >= result.best_single.validation["auc"] - 1e-9


def shown(result: EnsembleResult) -> Ensemble:
    """An ensemble as the client has it."""
    fields = {
        "id": 5, "study_id": 2, "kind": "greedy", "size": 5, "combine": "mean", "metric": None,
        "request": {}, "automatic": True, "state": "complete", "progress": None, "message": None,
        "size_bytes": 1, "sha256": "0" * 64, "created_at": "2026-01-01T00:00:00Z",
        "started_at": None, "finished_at": None,
    }  # fmt: skip
    record = records.Ensemble.model_validate({**result.model_dump(by_alias=True), **fields})
    return Ensemble(cast(Any, None), record)


def worse_ones() -> Iterator[EnsembleResult]:
    """Ensembles of the one trial that knows something and four that know nothing."""
    for seed in range(3):
        study = trials(seed, "val_auc")
        rng = np.random.default_rng(seed)
        rows = [rng.normal(size=(count, 2)) for count in (300, 2000)]
        y = [(rng.random(count) < 0.2).astype(np.int64) for count in (300, 2000)]
        for part, truth in zip(rows, y, strict=True):
            part[:, 1] += 2.0 * truth
        noise = [
            tuple(4.0 * rng.normal(size=part.shape) for part in rows) for _ in study.candidates[1:]
        ]
        logits = [(rows[0], rows[1]), *((parts[0], parts[1]) for parts in noise)]
        found = study.predicting(logits, (y[0], y[1])).judged_by("val_auc", "benign")
        yield built(found, kind="top_k", size=5)


def test_an_ensemble_that_is_worse_is_called_so_wherever_it_is_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for result in worse_ones():
        compared = compare(result)
        assert compared is not None
        assert compared.gain == result.test["auc"] - result.best_single.test["auc"] < 0
        assert (compared.verdict, compared.is_beyond_chance) == ("worse", True)
        one = shown(result)
        print_worse([one])
        head = " ".join(capsys.readouterr().out.split())
        assert head.startswith(
            "ensemble 5 (greedy) is worse than the best single trial: test auc 0."
        )
        assert head.endswith("beyond chance")
        assert f"trial {result.best_single.trial} alone" in head
        assert "worse than the best single trial: test auc" in summary(one)
        assert "test auc" in repr(one)
        assert "worse than the best single trial" in repr(one)
        page = ensemble_html(one.record)
        assert page.index("worse than the best single trial") < page.index("<table")


def test_an_ensemble_that_is_not_worse_has_no_head_and_better_is_said_beyond_chance_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    verdicts = set()
    for seed in range(8):
        result = built(trials(seed, "val_auc", (300, 400)), kind="greedy", size=5)
        compared = compare(result)
        assert compared is not None
        verdicts.add(compared.verdict)
        assert (compared.verdict == "better") is (
            compared.gain >= 0 and result.intervals["auc_gain"].low > 0
        )
        print_worse([shown(result)])
        assert bool(capsys.readouterr().out) is (compared.verdict == "worse")
    assert "better" in verdicts
