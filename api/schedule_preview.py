"""The learning rate that a spec's schedule would put in force, drawn without training anything."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import BaseModel

from hpsearch.spec.language.distributions import Distribution
from hpsearch.spec.space.space import resolve, search_space
from hpsearch.spec.study import StudySpec
from hpsearch.spec.wire.datasets import BUILT_IN, DatasetInfo
from hpsearch.spec.wire.records import ScheduleCurve
from hpsearch.training.schedules import Horizon, lr_factors

MOST_MOMENTS = 400


def schedule_curve(spec: StudySpec, info: DatasetInfo | None = None) -> ScheduleCurve | None:
    """Learning rate by epoch, with every parameter in the middle of its range.

    A schedule that follows a metric is drawn as if that never got worse.

    Args:
        spec: the study's.
        info: its data set, where that is no built-in one; the answer is none without it.
    """
    info = info or BUILT_IN.get(spec.dataset or "")
    if info is None or spec.optimizer is None:
        return None
    middle = search_space(spec).draw(lambda parameter: parameter.distribution.from_unit(0.5))
    trial = resolve(spec, middle)
    split = trial.supervised.split
    rows = max(1, round(info.rows * (1 - split.validation - split.test)))
    per_epoch = -(-rows // trial.training.batch_size)
    horizon = Horizon(per_epoch, trial.training.epochs, trial.seed)
    total = per_epoch * trial.training.epochs
    steps = np.unique(np.linspace(0, total - 1, min(total, MOST_MOMENTS)).round().astype(np.int64))
    factors = lr_factors(trial.schedule, steps, horizon)
    return ScheduleCurve(
        epochs=(steps / per_epoch).tolist(), lr=(trial.optimizer.lr * factors).tolist()
    )


def is_fixed(value: Any) -> bool:
    """Whether a part of a spec holds no distribution."""
    if isinstance(value, Distribution):
        return False
    if isinstance(value, BaseModel):
        return all(is_fixed(getattr(value, name)) for name in type(value).model_fields)
    if isinstance(value, tuple):
        return all(map(is_fixed, value))
    return True
