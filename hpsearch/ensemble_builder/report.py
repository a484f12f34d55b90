"""What is found out about an ensemble: its scores, and how they compare.

Test rows come in here, after the choice is made, and nowhere before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hpsearch.ensemble_builder.candidates import confidences, is_finite, named
from hpsearch.ensemble_builder.selection import Ingredient
from hpsearch.ensembling import calibration
from hpsearch.ensembling.calibration import expected_calibration_error, scaled
from hpsearch.ensembling.combining import Combined, combine
from hpsearch.ensembling.diversity import disagreement
from hpsearch.ensembling.intervals import bootstrap
from hpsearch.ensembling.predictions import Part, Predictions
from hpsearch.ensembling.scores import row_values, scores
from hpsearch.ensembling.selection import weights_for
from hpsearch.spec.ensemble import Combine
from hpsearch.spec.language.fields import Metrics
from hpsearch.spec.wire.ensembles import (
    Calibration,
    Candidate,
    EnsembleResult,
    Member,
    Range,
    Scores,
    Single,
)


@dataclass(frozen=True)
class Models:
    """The ensemble's models with what they predict of the same rows."""

    predictions: Sequence[Predictions]
    weights: NDArray[np.float64]
    """[M], with sum 1."""
    how: Combine

    @property
    def of_classes(self) -> bool:
        """Whether targets are classes."""
        return self.predictions[0].validation.of_classes

    @property
    def scale(self) -> float:
        """Of the targets."""
        return self.predictions[0].target_scale

    def combined(self, parts: Sequence[Part]) -> Combined:
        """What they say together of one part of the rows."""
        members = np.stack([confidences(part) for part in parts])
        return combine(members, self.weights, self.how, self.of_classes)


def weighted(predictions: Sequence[Predictions]) -> NDArray[np.float64]:
    """The weights ≥ 0 with sum 1 that are best on validation rows, [M]."""
    parts = [one.validation for one in predictions]
    return weights_for(np.stack([confidences(part) for part in parts]), parts[0].targets)


def result_of(
    models: Models,
    ingredients: Sequence[tuple[Ingredient, Predictions]],
    single: tuple[Candidate, Predictions],
    *,
    temperature: float | None,
    candidates: int,
    seed: int,
    warnings: Sequence[str],
) -> EnsembleResult:
    """The findings.

    Args:
        models: what the ensemble holds.
        ingredients: what they were made of, with what each predicts alone.
        single: the best trial's checkpoint.
        temperature: see `fitted_temperature`.
        candidates: how many there were to choose from.
        seed: of the resamples.
        warnings: what was left out, and why.
    """
    best, alone = single
    members = [_member(one, predictions) for one, predictions in ingredients]
    validation = models.combined([one.validation for one in models.predictions])
    tests = _tests(models.predictions)
    test = models.combined(tests) if tests else None
    told = [confidences(part) for part in _tests([p for _, p in ingredients])]
    return EnsembleResult(
        members=members,
        validation=scores(validation, models.predictions[0].validation.targets, models.scale),
        test=scores(test, tests[0].targets, models.scale) if test else {},
        best_single=Single(
            trial=best.trial,
            epoch=best.epoch,
            validation=_alone(alone, alone.validation),
            test=_alone(alone, alone.test),
        ),
        mean_member=Scores(
            validation=_mean([member.validation for member in members]),
            test=_mean([_alone(predictions, predictions.test) for _, predictions in ingredients]),
        ),
        intervals=_intervals(test, alone, models.scale, seed) if test else {},
        disagreement=disagreement(np.stack(told), models.of_classes) if told else None,
        calibration=_calibration(temperature, test, tests[0]) if test else None,
        candidates=candidates,
        warnings=[*warnings, *_unmeasured(models, ingredients, single)],
    )


def fitted_temperature(models: Models) -> float | None:
    """What makes the ensemble's probabilities calibrated on validation rows; none for numbers."""
    if not models.of_classes:
        return None
    validation = models.combined([one.validation for one in models.predictions])
    return calibration.temperature(validation.shares, models.predictions[0].validation.targets)


def _tests(predictions: Sequence[Predictions]) -> list[Part]:
    """The test parts; none where the study keeps no test rows, or one is not finite throughout."""
    parts = [one.test for one in predictions if one.test is not None and len(one.test.rows)]
    return parts if all(map(is_finite, parts)) else []


def _unmeasured(
    models: Models,
    ingredients: Sequence[tuple[Ingredient, Predictions]],
    single: tuple[Candidate, Predictions],
) -> list[str]:
    """Warnings of models whose outputs on test rows are no numbers."""
    best, alone = single
    everyone = [(named(best), alone), *((named(one.candidate), said) for one, said in ingredients)]
    if all(models.predictions[0] is not said for _, said in everyone):
        everyone.append(("the averaged weights", models.predictions[0]))
    broken = [name for name, one in everyone if one.test is not None and not is_finite(one.test)]
    return [
        f"{name}: test outputs are not all finite; test scores that rest on them are missing"
        for name in dict.fromkeys(broken)
    ]


def _member(one: Ingredient, predictions: Predictions) -> Member:
    return Member(
        trial=one.candidate.trial,
        epoch=one.candidate.epoch,
        weight=one.weight,
        copy=one.copy,
        checkpoint=one.candidate.checkpoint,
        validation=_alone(predictions, predictions.validation),
    )


def _said(part: Part) -> Combined:
    return combine(confidences(part)[None], np.ones(1), "mean", part.of_classes)


def _alone(predictions: Predictions, part: Part | None) -> Metrics:
    """Scores of one model on one part."""
    if part is None or not len(part.rows) or not is_finite(part):
        return {}
    return scores(_said(part), part.targets, predictions.target_scale)


def _mean(found: Sequence[Metrics]) -> Metrics:
    """By name; none where one of them has none."""
    if not all(found):
        return {}
    return {name: float(np.mean([one[name] for one in found])) for name in found[0]}


def _intervals(test: Combined, alone: Predictions, scale: float, seed: int) -> dict[str, Range]:
    """None where the single model has no outputs to compare with."""
    if alone.test is None or not is_finite(alone.test):
        return {}
    targets = alone.test.targets
    ours = row_values(test, targets, scale)
    theirs = row_values(_said(alone.test), targets, scale)
    return {
        name: Range(low=low, high=high)
        for name, (low, high) in bootstrap(ours, theirs, seed).items()
    }


def _calibration(temperature: float | None, test: Combined, part: Part) -> Calibration | None:
    if temperature is None or test.labels is None:
        return None
    mended = scaled(test.shares, temperature)
    return Calibration(
        temperature=temperature,
        ece=expected_calibration_error(test.shares, test.labels, part.targets),
        ece_scaled=expected_calibration_error(mended, test.labels, part.targets),
    )
