"""The table of tasks: what a study's kind of task, or its data, makes of it."""

from __future__ import annotations

from collections.abc import Hashable

import torch

from hpsearch.errors import TrainingFailed
from hpsearch.spec.plugin import PluginTask
from hpsearch.spec.study import StudySpec
from hpsearch.training.data.folds import Fold
from hpsearch.training.tasks.base import Task
from hpsearch.training.tasks.plugin_adapter import PluginAdapter
from hpsearch.training.tasks.quadratic import Quadratic
from hpsearch.training.tasks.supervised import Supervised


def _family(spec: StudySpec) -> type[PluginAdapter] | type[Quadratic] | type[Supervised]:
    if isinstance(spec.task, PluginTask):
        return PluginAdapter
    return Quadratic if spec.supervised.dataset == "quadratic" else Supervised


def task_for(
    spec: StudySpec, *, device: torch.device, dtype: torch.dtype, fold: Fold | None = None
) -> Task:
    """The task of a resolved spec, with its data on the device.

    Raises:
        TrainingFailed: when model and data do not fit, or rows cannot be divided into folds.
    """
    family = _family(spec)
    if family is Supervised:
        return Supervised(spec, device=device, dtype=dtype, fold=fold)
    if fold is not None:
        raise TrainingFailed(
            f"training.folds needs rows that the service divides, and a task of kind "
            f"{spec.task.kind} has none; leave folds out"
        )
    return family(spec, device=device, dtype=dtype)


def task_key(spec: StudySpec) -> Hashable:
    """Equal for trials whose tasks are one."""
    return (_family(spec).__name__, _family(spec).key(spec))
