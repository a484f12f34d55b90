"""Which candidates come first: by the study's objective, or by a metric on validation rows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from hpsearch.ensemble_builder.candidates import Candidates
from hpsearch.ensemble_builder.context import BuildContext
from hpsearch.ensemble_builder.metric_functions import scores_alone
from hpsearch.ensemble_builder.objective import objective_of
from hpsearch.ensembling.predictions import Predictions
from hpsearch.errors import TrainingFailed
from hpsearch.spec.metrics import direction_of
from hpsearch.spec.study import StudySpec
from hpsearch.spec.wire.ensembles import Candidate


def by_objective(study: StudySpec, candidates: Iterable[Candidate]) -> list[Candidate]:
    """Candidates, the best objective first; of equals the lower trial, then the later epoch."""
    objective = objective_of(study)

    def key(candidate: Candidate) -> tuple[float, int, int]:
        return objective.sort_key(candidate.value), candidate.trial, -candidate.epoch

    return sorted(candidates, key=key)


def trial_checkpoints(context: BuildContext) -> list[Candidate]:
    """One usable checkpoint of each trial that trained to its end, the best trial first.

    It is the best epoch; the latest one where that is not kept, and such trials come last, as their
    objective is not what these weights have. Where no trial trained to its end, one of every trial.
    """
    usable = context.candidates.usable
    of_trial: dict[int, Candidate] = {}
    for candidate in [candidate for candidate in usable if candidate.complete] or usable:
        rival = of_trial.setdefault(candidate.trial, candidate)
        if (candidate.best, candidate.epoch) > (rival.best, rival.epoch):
            of_trial[candidate.trial] = candidate
    ordered = by_objective(context.study, of_trial.values())
    return sorted(ordered, key=lambda candidate: not candidate.best)


def trials_best_first(context: BuildContext, metric: str | None) -> list[Candidate]:
    """One usable checkpoint of each trial, the best trial first by a metric on validation rows.

    Args:
        context: of the build.
        metric: `val_...`; none orders by the study's objective.

    Raises:
        TrainingFailed: when the validation rows have no such metric.
    """
    candidates = trial_checkpoints(context)
    if metric is None:
        return candidates
    measured: list[tuple[float, int, Candidate]] = []
    for index, candidate in enumerate(candidates):
        context.report_progress(index, len(candidates), "reading predictions")
        predictions = context.candidates.predictions(candidate)
        if predictions is not None:
            loss = metric_loss(context.study, predictions, metric)
            measured.append((loss, candidate.trial, candidate))
    return [candidate for *_, candidate in sorted(measured, key=lambda entry: entry[:2])]


def checkpoints_of_trial(context: BuildContext, trial: int | None) -> list[Candidate]:
    """The usable checkpoints of one trial by epoch, at least one.

    Args:
        context: of the build.
        trial: its number; none takes the best one.

    Raises:
        TrainingFailed: when none is usable.
    """
    usable = context.candidates.usable
    if trial is None and usable:
        trial = trial_checkpoints(context)[0].trial
    candidates = [candidate for candidate in usable if candidate.trial == trial]
    if not candidates:
        reason = context.candidates.first_reason(trial)
        raise TrainingFailed(
            f"trial must have whole checkpoints, and none of trial {trial} is kept"
            f"{f' ({reason})' if reason else ''}; "
            "name another trial, or leave it out for the best one"
        )
    return sorted(candidates, key=lambda candidate: candidate.epoch)


def best_single(context: BuildContext) -> tuple[Candidate, Predictions] | None:
    """The best trial's usable checkpoint with its predictions; none where nothing is usable.

    Its rows are those that all others must have predicted.
    """
    for candidate in trial_checkpoints(context):
        predictions = context.candidates.predictions(candidate)
        if predictions is not None:
            return candidate, predictions
    return None


def metric_loss(study: StudySpec, predictions: Predictions, metric: str) -> float:
    """A single model's metric on validation rows, negated where larger is better.

    Args:
        study: the model's.
        predictions: the model's.
        metric: `val_...`.

    Raises:
        TrainingFailed: when there is no such metric, or these rows have none.
    """
    validation = predictions.validation
    values = scores_alone(study, predictions, validation)
    name = metric.removeprefix("val_")
    if name not in values or name == metric:
        raise TrainingFailed(
            f"metric must be one of {', '.join(f'val_{known}' for known in values)}, got {metric}"
        )
    if math.isnan(values[name]):
        why = "one class" if validation.is_classification else "equal targets"
        raise TrainingFailed(
            f"metric must have a value on the validation rows, and {metric} has none as they are "
            f"all of {why}; choose by val_loss"
        )
    return values[name] if direction_of(name) == "minimize" else -values[name]


def nothing_usable(candidates: Candidates) -> TrainingFailed:
    """The error where no candidate can be used."""
    reasons = candidates.warnings
    why = (
        f"the first of them: {reasons[0]}"
        if reasons
        else "train some trials, and keep their checkpoints"
    )
    return TrainingFailed(f"an ensemble needs at least one whole checkpoint, got none; {why}")


def evenly_spaced(candidates: Sequence[Candidate], size: int) -> list[Candidate]:
    """At most `size` candidates at equal distances, the last one among them."""
    count = min(size, len(candidates))
    indices = [-(-(index + 1) * len(candidates) // count) - 1 for index in range(count)]
    return [candidates[index] for index in indices]
