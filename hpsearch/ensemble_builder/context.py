"""Which candidates come first: by the study's objective, or by what validation rows say."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from hpsearch.ensemble_builder.candidates import Candidates, confidences
from hpsearch.ensembling.combining import combine
from hpsearch.ensembling.predictions import Part
from hpsearch.ensembling.scores import scores
from hpsearch.errors import TrainingFailed
from hpsearch.spec.ensemble import EnsembleSpec
from hpsearch.spec.metrics import direction_of
from hpsearch.spec.study import Objective, StudySpec
from hpsearch.spec.wire.ensembles import Candidate

Tell = Callable[[int, int, str], None]
"""Told how far the work is: steps done, steps in all, and what is being done."""


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
        objective = self.study.first_objective or Objective.default_for("none")

        def key(one: Candidate) -> tuple[float, int, int]:
            return objective.sort_key(one.value), one.trial, -one.epoch

        return sorted(candidates, key=key)

    def representatives(self) -> list[Candidate]:
        """One checkpoint of each trial that trained to its end, the best trial first.

        It is the best epoch; the latest one where that is not kept, and such trials come last, as
        their objective is not what these weights have. Where no trial trained to its end, of all.
        """
        whole = self.candidates.whole
        of_trial: dict[int, Candidate] = {}
        for one in [one for one in whole if one.complete] or whole:
            rival = of_trial.setdefault(one.trial, one)
            if (one.best, one.epoch) > (rival.best, rival.epoch):
                of_trial[one.trial] = one
        return sorted(self.by_value(of_trial.values()), key=lambda one: not one.best)

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
            reason = self.candidates.why_without(number)
            raise TrainingFailed(
                f"trial must have whole checkpoints, and none of trial {number} is kept"
                f"{f' ({reason})' if reason else ''}; "
                "name another trial, or leave it out for the best one"
            )
        return found


def judged(part: Part, metric: str, scale: float) -> float:
    """A single model's metric on validation rows, smaller for better.

    Raises:
        TrainingFailed: when there is no such metric, or these rows have none.
    """
    members = confidences(part)[None]
    found = scores(combine(members, np.ones(1), "mean", part.of_classes), part.targets, scale)
    name = metric.removeprefix("val_")
    if name not in found or name == metric:
        raise TrainingFailed(
            f"metric must be one of {', '.join(f'val_{known}' for known in found)}, got {metric}"
        )
    if math.isnan(found[name]):
        why = "one class" if part.of_classes else "equal targets"
        raise TrainingFailed(
            f"metric must have a value on the validation rows, and {metric} has none as they are "
            f"all of {why}; choose by val_loss"
        )
    return found[name] if direction_of(name) == "minimize" else -found[name]


def nothing_left(case: Case) -> TrainingFailed:
    """The refusal where no candidate is whole."""
    reasons = case.candidates.warnings
    why = (
        f"the first of them: {reasons[0]}"
        if reasons
        else "train some trials, and keep their checkpoints"
    )
    return TrainingFailed(f"an ensemble needs at least one whole checkpoint, got none; {why}")


def told_in_steps(tell: Tell, done: int, total: int, what: str) -> None:
    """Tells of about a hundred steps at most."""
    if done % max(1, total // 100) == 0:
        tell(done, total, what)


def evenly(candidates: Sequence[Candidate], size: int) -> list[Candidate]:
    """So many at equal distances, the last one in."""
    count = min(size, len(candidates))
    places = [-(-(place + 1) * len(candidates) // count) - 1 for place in range(count)]
    return [candidates[place] for place in places]
