"""The study's objective as what ensembles are chosen and judged by."""

from __future__ import annotations

import math
from collections.abc import Mapping

from hpsearch.spec.study import Objective, StudySpec

FALLBACK = "loss"
"""What stands for an objective that predictions of validation rows do not show."""


def objective_of(study: StudySpec) -> Objective:
    """The first objective, or the one of a study that names none."""
    return study.first_objective or Objective.default_for("none")


def headline_of(study: StudySpec, validation: Mapping[str, float]) -> str:
    """The bare name of the metric that ensembles are chosen and judged by.

    Args:
        study: whose first objective it is, where that is measured on validation rows.
        validation: scores of a model on validation rows.
    """
    curve = objective_of(study).metric
    name = curve.removeprefix("val_")
    is_measured = name != curve and not math.isnan(validation.get(name, math.nan))
    return name if is_measured else FALLBACK


def warnings_of(study: StudySpec, headline: str) -> list[str]:
    """What a person may not expect of the headline."""
    objective = objective_of(study).metric
    if objective != f"val_{headline}":
        return [
            f"predictions of validation rows do not show {objective}, the study's objective; "
            f"{headline} stands for it, in what chooses members and in what is compared"
        ]
    loss = getattr(study.task, "loss", None)
    if headline == FALLBACK and loss not in (None, "cross_entropy", "mse"):
        return [
            f"the loss of ensembles is the log loss of classes, or the standardised squared error "
            f"of numbers, and the trials' is {loss}; the two are not the same numbers"
        ]
    return []
