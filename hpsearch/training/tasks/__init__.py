"""The table of tasks: what a data set's target makes of a study."""

from __future__ import annotations

from collections.abc import Hashable

import torch

from hpsearch.spec.study import StudySpec
from hpsearch.training.tasks.base import Task
from hpsearch.training.tasks.quadratic import Quadratic
from hpsearch.training.tasks.supervised import Supervised


def _family(spec: StudySpec) -> type[Quadratic] | type[Supervised]:
    return Quadratic if spec.task.dataset == "quadratic" else Supervised


def task_for(spec: StudySpec, *, device: torch.device, dtype: torch.dtype) -> Task:
    """The task of a resolved spec, with its data on the device."""
    return _family(spec)(spec, device=device, dtype=dtype)


def task_key(spec: StudySpec) -> Hashable:
    """Equal for trials whose tasks are one."""
    return (_family(spec).__name__, _family(spec).key(spec))
