"""The metrics of a study's trials as the function that `ensembling` measures ensembles with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hpsearch.ensembling.combining import Combined, combine, member_values
from hpsearch.ensembling.measure import Floats, Measure
from hpsearch.ensembling.predictions import Predictions, SplitPredictions
from hpsearch.ensembling.scores import scores
from hpsearch.spec.study import StudySpec
from hpsearch.spec.task import SupervisedTask
from hpsearch.training.numerics import metrics
from hpsearch.training.numerics.outputs import ClassOutputs, NumberOutputs


def measure_for(study: StudySpec, classes: Sequence[str]) -> Measure:
    """The metrics of a study's trials.

    Args:
        study: whose `task.positive` is the positive class.
        classes: names in the order of the outputs; none for numbers and for a plug-in's.
    """
    positive = study.task.positive if isinstance(study.task, SupervisedTask) else None
    return trial_metrics(classes, positive)


def trial_metrics(classes: Sequence[str] = (), positive: str | None = None) -> Measure:
    """The metrics of trials, of probabilities and labels or of numbers.

    Args:
        classes: names in the order of the outputs; without them there are no metrics of single
            classes.
        positive: the positive class, one of the names; none for none.
    """
    index = list(classes).index(positive) if positive is not None and positive in classes else None

    def measure(
        values: Floats,
        labels: NDArray[np.int64] | None,
        targets: NDArray[Any],
        only: str | None = None,
    ) -> Mapping[str, Floats]:
        numbers, truth = torch.from_numpy(values), torch.from_numpy(targets)
        outputs: ClassOutputs | NumberOutputs
        if labels is None:
            outputs = NumberOutputs(numbers.squeeze(-1), truth)
        else:
            outputs = ClassOutputs(numbers, torch.from_numpy(labels), truth, index)
        found = metrics.measure(outputs, classes, only)
        return {name: value.double().numpy() for name, value in found.items()}

    return measure


def scores_alone(
    study: StudySpec, predictions: Predictions, split: SplitPredictions
) -> dict[str, float]:
    """Scores of one model on one of its splits, whose outputs are finite."""
    alone = combined_alone(split)
    measure = measure_for(study, predictions.classes)
    return scores(alone, split.targets, measure, predictions.target_scale)


def combined_alone(split: SplitPredictions) -> Combined:
    """A single model's predictions, as an ensemble of it alone has them."""
    return combine(member_values(split)[None], np.ones(1), "mean", split.is_classification)
