"""Fills in what of a supervised study's spec follows from its data."""

from __future__ import annotations

from hpsearch.errors import InvalidInput
from hpsearch.spec.checks.dataset import dataset_errors, loss_of
from hpsearch.spec.checks.optimizer import full_batch_errors
from hpsearch.spec.checks.positive import positive_of
from hpsearch.spec.checks.schedule import schedule_errors
from hpsearch.spec.checks.split import without_missing_test
from hpsearch.spec.metrics import objective_curves
from hpsearch.spec.study import Objective, StudySpec
from hpsearch.spec.wire.datasets import Dataset, DatasetInfo


def complete(spec: StudySpec, info: DatasetInfo) -> StudySpec:
    """The spec with every default filled in that depends on the data.

    Raises:
        InvalidInput: when a part of the spec does not fit the data.
    """
    errors = [
        *dataset_errors(spec, info),
        *full_batch_errors(spec),
        *schedule_errors(spec, objective_curves(info.target, info.class_names)),
    ]
    if errors:
        raise InvalidInput(errors)
    task = spec.supervised
    objective = spec.objective or Objective.default_for(info.target)
    completed = task.model_copy(
        update={
            "dataset_version": info.version if isinstance(info, Dataset) else None,
            "loss": loss_of(spec, info),
            "standardize": task.standardize or ("minmax" if info.is_image else "zscore"),
            "positive": positive_of(task.positive, info),
            "split": without_missing_test(task.split, info),
        }
    )
    return spec.model_copy(update={"objective": objective, "task": completed})
