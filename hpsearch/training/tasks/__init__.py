"""The table of tasks: what a study's kind of task, or its data, makes of it."""

from __future__ import annotations

from collections.abc import Hashable

import torch

from hpsearch.spec.plugin import PluginTask
from hpsearch.spec.study import StudySpec
from hpsearch.training.tasks.base import Task
from hpsearch.training.tasks.plugged import Plugged
from hpsearch.training.tasks.quadratic import Quadratic
from hpsearch.training.tasks.supervised import Supervised


def _family(spec: StudySpec) -> type[Plugged] | type[Quadratic] | type[Supervised]:
    if isinstance(spec.task, PluginTask):
        return Plugged
    return Quadratic if spec.supervised.dataset == "quadratic" else Supervised


def task_for(spec: StudySpec, *, device: torch.device, dtype: torch.dtype) -> Task:
    """The task of a resolved spec, with its data on the device."""
    return _family(spec)(spec, device=device, dtype=dtype)


def task_key(spec: StudySpec) -> Hashable:
    """Equal for trials whose tasks are one."""
    return (_family(spec).__name__, _family(spec).key(spec))
