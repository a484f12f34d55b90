"""An ensemble's scores, and how they compare with those of its members.

Test rows come in here, after the members are selected, and nowhere before.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hpsearch.ensemble_builder.candidates import describe, is_finite
from hpsearch.ensemble_builder.parts import BuildParts
from hpsearch.ensemble_builder.selection import WeightedCheckpoint
from hpsearch.ensembling import calibration
from hpsearch.ensembling.calibration import apply_temperature, expected_calibration_error
from hpsearch.ensembling.combining import Combined, combine, member_values
from hpsearch.ensembling.diversity import disagreement
from hpsearch.ensembling.intervals import bootstrap
from hpsearch.ensembling.predictions import Predictions, SplitPredictions
from hpsearch.ensembling.scores import row_values, scores
from hpsearch.spec.language.fields import Metrics
from hpsearch.spec.wire.ensemble_scores import Range, Scores
from hpsearch.spec.wire.ensembles import (
    Calibration,
    Candidate,
    EnsembleResult,
    Member,
    Single,
)


def measure(
    parts: BuildParts,
    single: tuple[Candidate, Predictions],
    *,
    temperature: float | None,
    candidates: int,
    seed: int,
    warnings: Sequence[str],
) -> EnsembleResult:
    """The ensemble's result.

    Args:
        parts: of the ensemble.
        single: the best trial's checkpoint.
        temperature: see `fit_temperature`.
        candidates: how many there were to choose from.
        seed: of the bootstrap's draws.
        warnings: what was left out, and why.
    """
    candidate, alone = single
    members = [_member(checkpoint, predictions) for checkpoint, predictions in parts.members]
    targets = parts.models[0].validation.targets
    validation = parts.combined([model.validation for model in parts.models])
    tests = _test_splits(parts.models)
    test = parts.combined(tests) if tests else None
    member_tests = [
        member_values(split) for split in _test_splits([alone for _, alone in parts.members])
    ]
    return EnsembleResult(
        members=members,
        validation=scores(validation, targets, parts.target_scale),
        test=scores(test, tests[0].targets, parts.target_scale) if test else {},
        best_single=Single(
            trial=candidate.trial,
            epoch=candidate.epoch,
            validation=_scores_alone(alone, alone.validation),
            test=_scores_alone(alone, alone.test),
        ),
        mean_member=Scores(
            validation=_mean([member.validation for member in members]),
            test=_mean([_scores_alone(alone, alone.test) for _, alone in parts.members]),
        ),
        intervals=_intervals(test, alone, parts.target_scale, seed) if test else {},
        disagreement=disagreement(np.stack(member_tests), parts.is_classification)
        if member_tests
        else None,
        calibration=_calibration(temperature, test, tests[0]) if test else None,
        candidates=candidates,
        warnings=[*warnings, *_without_test_scores(parts, single)],
    )


def fit_temperature(parts: BuildParts) -> float | None:
    """What calibrates the ensemble's probabilities on validation rows; none for numbers."""
    if not parts.is_classification:
        return None
    validation = parts.combined([model.validation for model in parts.models])
    return calibration.fit_temperature(validation.values, parts.models[0].validation.targets)


def _test_splits(predictions: Sequence[Predictions]) -> list[SplitPredictions]:
    """The test splits; none where the study keeps no test rows, or one is not finite throughout."""
    splits = [one.test for one in predictions if one.test is not None and len(one.test.rows)]
    return splits if all(map(is_finite, splits)) else []


def _without_test_scores(parts: BuildParts, single: tuple[Candidate, Predictions]) -> list[str]:
    """Warnings of models whose outputs on test rows are not finite."""
    models = [(describe(single[0]), single[1])]
    models += [(describe(member.candidate), alone) for member, alone in parts.members]
    if all(parts.models[0] is not predictions for _, predictions in models):
        models.append(("the averaged weights", parts.models[0]))
    names = [
        name
        for name, predictions in models
        if predictions.test is not None and not is_finite(predictions.test)
    ]
    return [
        f"{name}: test outputs are not all finite; test scores that rest on them are missing"
        for name in dict.fromkeys(names)
    ]


def _member(checkpoint: WeightedCheckpoint, alone: Predictions) -> Member:
    return Member(
        trial=checkpoint.candidate.trial,
        epoch=checkpoint.candidate.epoch,
        weight=checkpoint.weight,
        copy=checkpoint.copy,
        checkpoint=checkpoint.candidate.checkpoint,
        validation=_scores_alone(alone, alone.validation),
    )


def _combined_alone(split: SplitPredictions) -> Combined:
    return combine(member_values(split)[None], np.ones(1), "mean", split.is_classification)


def _scores_alone(alone: Predictions, split: SplitPredictions | None) -> Metrics:
    """Scores of one model on one of its splits; none where it has no finite outputs there."""
    if split is None or not len(split.rows) or not is_finite(split):
        return {}
    return scores(_combined_alone(split), split.targets, alone.target_scale)


def _mean(metrics: Sequence[Metrics]) -> Metrics:
    """By name; none where one of them has none."""
    if not all(metrics):
        return {}
    return {name: float(np.mean([one[name] for one in metrics])) for name in metrics[0]}


def _intervals(test: Combined, alone: Predictions, scale: float, seed: int) -> dict[str, Range]:
    """None where the single model has no outputs to compare with."""
    if alone.test is None or not is_finite(alone.test):
        return {}
    targets = alone.test.targets
    intervals = bootstrap(
        row_values(test, targets, scale),
        row_values(_combined_alone(alone.test), targets, scale),
        seed,
    )
    return {name: Range(low=low, high=high) for name, (low, high) in intervals.items()}


def _calibration(
    temperature: float | None, test: Combined, split: SplitPredictions
) -> Calibration | None:
    if temperature is None or test.labels is None:
        return None
    calibrated = apply_temperature(test.values, temperature)
    return Calibration(
        temperature=temperature,
        ece=expected_calibration_error(test.values, test.labels, split.targets),
        ece_scaled=expected_calibration_error(calibrated, test.labels, split.targets),
    )
