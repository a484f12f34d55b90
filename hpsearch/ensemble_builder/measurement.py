"""An ensemble's scores, and how they compare with those of its members.

Test rows come in here, after the members are selected, and nowhere before.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hpsearch.ensemble_builder.candidates import describe, is_finite
from hpsearch.ensemble_builder.metric_functions import (
    combined_alone,
    measure_for,
    scores_alone,
)
from hpsearch.ensemble_builder.parts import BuildParts
from hpsearch.ensemble_builder.selection import WeightedCheckpoint
from hpsearch.ensembling import calibration
from hpsearch.ensembling.calibration import apply_temperature, expected_calibration_error
from hpsearch.ensembling.combining import Combined, member_values
from hpsearch.ensembling.diversity import disagreement
from hpsearch.ensembling.intervals import RESAMPLES, bootstrap, bootstrap_metric
from hpsearch.ensembling.measure import Measure
from hpsearch.ensembling.predictions import Predictions, SplitPredictions
from hpsearch.ensembling.scores import row_values, scores
from hpsearch.spec.language.fields import Metrics
from hpsearch.spec.study import StudySpec
from hpsearch.spec.wire.ensemble_scores import Range, Scores
from hpsearch.spec.wire.ensembles import (
    Calibration,
    Candidate,
    EnsembleResult,
    Member,
    Single,
)


def measure(
    study: StudySpec,
    parts: BuildParts,
    single: tuple[Candidate, Predictions],
    *,
    headline: str,
    chosen_by: str | None,
    temperature: float | None,
    candidates: int,
    warnings: Sequence[str],
) -> EnsembleResult:
    """The ensemble's result.

    Args:
        study: the trials'; its seed is that of the bootstrap's draws.
        parts: of the ensemble.
        single: the best trial's checkpoint.
        headline: the bare name of the metric that is compared.
        chosen_by: the metric that chose the members; none where no metric did.
        temperature: see `fit_temperature`.
        candidates: how many there were to choose from.
        warnings: what was left out, and why.
    """
    candidate, alone = single
    members = [_member(study, checkpoint, predictions) for checkpoint, predictions in parts.members]
    measures = measure_for(study, parts.models[0].classes)
    targets = parts.models[0].validation.targets
    validation = parts.combined([model.validation for model in parts.models])
    tests = _test_splits(parts.models)
    test = parts.combined(tests) if tests else None
    member_tests = [
        member_values(split) for split in _test_splits([alone for _, alone in parts.members])
    ]
    intervals, notes = dict[str, Range](), list[str]()
    if test:
        intervals, notes = _intervals(
            test, alone, parts.target_scale, headline, measures, study.seed
        )
    return EnsembleResult(
        headline=headline,
        chosen_by=chosen_by,
        members=members,
        validation=scores(validation, targets, measures, parts.target_scale),
        test=scores(test, tests[0].targets, measures, parts.target_scale) if test else {},
        best_single=Single(
            trial=candidate.trial,
            epoch=candidate.epoch,
            validation=_scores_alone(study, alone, alone.validation),
            test=_scores_alone(study, alone, alone.test),
        ),
        mean_member=Scores(
            validation=_mean([member.validation for member in members]),
            test=_mean([_scores_alone(study, alone, alone.test) for _, alone in parts.members]),
        ),
        intervals=intervals,
        disagreement=disagreement(np.stack(member_tests), parts.is_classification)
        if member_tests
        else None,
        calibration=_calibration(temperature, test, tests[0]) if test else None,
        candidates=candidates,
        warnings=[*warnings, *_without_test_scores(parts, single), *notes],
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


def _member(study: StudySpec, checkpoint: WeightedCheckpoint, alone: Predictions) -> Member:
    return Member(
        trial=checkpoint.candidate.trial,
        epoch=checkpoint.candidate.epoch,
        weight=checkpoint.weight,
        copy=checkpoint.copy,
        checkpoint=checkpoint.candidate.checkpoint,
        validation=_scores_alone(study, alone, alone.validation),
    )


def _scores_alone(study: StudySpec, alone: Predictions, split: SplitPredictions | None) -> Metrics:
    """Scores of one model on one of its splits; none where it has no finite outputs there."""
    if split is None or not len(split.rows) or not is_finite(split):
        return {}
    return scores_alone(study, alone, split)


def _mean(metrics: Sequence[Metrics]) -> Metrics:
    """By name; none where one of them has none."""
    if not all(metrics):
        return {}
    return {name: float(np.mean([one[name] for one in metrics])) for name in metrics[0]}


def _intervals(
    test: Combined,
    alone: Predictions,
    scale: float,
    headline: str,
    measures: Measure,
    seed: int,
) -> tuple[dict[str, Range], list[str]]:
    """Of scores that are means over rows and of the headline, with what is to be said of them.

    None where the single model has no outputs to compare with.
    """
    if alone.test is None or not is_finite(alone.test):
        return {}, []
    targets, single, notes = alone.test.targets, combined_alone(alone.test), list[str]()
    ranges = bootstrap(row_values(test, targets, scale), row_values(single, targets, scale), seed)
    if headline not in ranges:
        more, draws = bootstrap_metric(headline, test, single, targets, measures, seed)
        ranges |= more
        if more and draws < RESAMPLES:
            notes.append(
                f"the interval of {headline} rests on {draws:,} draws of the test rows in place of "
                f"{RESAMPLES:,}, as there are many rows"
            )
    return {name: Range(low=low, high=high) for name, (low, high) in ranges.items()}, notes


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
