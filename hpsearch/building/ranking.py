"""Which candidates come first: by the study's objective, or by what validation rows say."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from hpsearch.building.sources import Candidates, confidences
from hpsearch.ensembling.combining import combine
from hpsearch.ensembling.predictions import Part
from hpsearch.ensembling.scores import scores
from hpsearch.errors import TrainingFailed
from hpsearch.spec.ensemble import EnsembleSpec
from hpsearch.spec.ensemble_records import Candidate
from hpsearch.spec.study import StudySpec

Tell = Callable[[int, int, str], None]
"""Told how far the work is: steps done, steps in all, and what is being done."""

SMALLER_IS_BETTER = ("loss", "rmse", "mae")


@dataclass(frozen=True)
class Case:
    """What an ensemble is made of."""

    request: EnsembleSpec
    study: StudySpec
    candidates: Candidates
    device: torch.device | str
    tell: Tell

    def by_value(self, candidates: Iterable[Candidate]) -> list[Candidate]:
        """The best objective first; of equals the lower trial, then the later epoch."""
        objective = self.study.first_objective
        sign = -1.0 if objective is not None and objective.direction == "maximize" else 1.0

        def key(one: Candidate) -> tuple[float, int, int]:
            known = one.value is not None and not math.isnan(one.value)
            return (sign * (one.value or 0.0) if known else math.inf, one.trial, -one.epoch)

        return sorted(candidates, key=key)

    def representatives(self) -> list[Candidate]:
        """The best epoch of each trial that trained to its end, the best trial first.

        Where the best epochs are not kept, or no such trial is, of whatever there is.
        """
        whole = self.candidates.whole
        complete = [one for one in whole if one.complete] or whole
        return self.by_value([one for one in complete if one.best] or complete)

    def trials_best_first(self) -> list[Candidate]:
        """The same, by the request's metric where it names one."""
        found, metric = self.representatives(), self.request.metric
        if metric is None:
            return found
        measured: list[tuple[float, int, Candidate]] = []
        for place, one in enumerate(found):
            self.tell(place, len(found), "reading predictions")
            predictions = self.candidates.predictions(one)
            if predictions is not None:
                part, scale = predictions.validation, predictions.target_scale
                measured.append((judged(part, metric, scale), one.trial, one))
        return [one for *_, one in sorted(measured, key=lambda entry: entry[:2])]

    def of_one_trial(self) -> list[Candidate]:
        """What is kept of the request's trial, or of the best one, by epoch.

        Raises:
            TrainingFailed: when nothing is.
        """
        number = getattr(self.request, "trial", None)
        whole = self.candidates.whole
        if number is None and whole:
            number = self.representatives()[0].trial
        found = sorted((one for one in whole if one.trial == number), key=lambda one: one.epoch)
        if not found:
            raise TrainingFailed(
                f"trial must have checkpoints, and none of trial {number} is kept; "
                "name another trial, or leave it out for the best one"
            )
        return found


def judged(part: Part, metric: str, scale: float) -> float:
    """A single model's metric on validation rows, smaller for better.

    Raises:
        TrainingFailed: when there is no such metric.
    """
    members = confidences(part)[None]
    found = scores(combine(members, np.ones(1), "mean", part.of_classes), part.targets, scale)
    name = metric.removeprefix("val_")
    if name not in found or name == metric:
        raise TrainingFailed(
            f"metric must be one of {', '.join(f'val_{known}' for known in found)}, got {metric}"
        )
    return found[name] if name in SMALLER_IS_BETTER else -found[name]


def told_in_steps(tell: Tell, done: int, total: int, what: str) -> None:
    """Tells of about a hundred steps at most."""
    if done % max(1, total // 100) == 0:
        tell(done, total, what)


def evenly(candidates: Sequence[Candidate], size: int) -> list[Candidate]:
    """So many at equal distances, the last one in."""
    count = min(size, len(candidates))
    places = [-(-(place + 1) * len(candidates) // count) - 1 for place in range(count)]
    return [candidates[place] for place in places]
