"""What a step of a group costs in time and memory, measured on a group that is thrown away."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from hpsearch.training.group.loop import Loop
from hpsearch.training.group.saved_state import build_state
from hpsearch.training.numerics.precision import check_precision
from hpsearch.training.tasks import task_for
from hpsearch.training.tasks.base import Batch, Task
from hpsearch.training.tasks.plan import Plan

PER_NUMBER = 4
"""Tensors per number that enters or leaves a layer: before and after, its gradient, in passing."""
STEPS = 5
"""Timed at most; the first warms up and does not count."""
DTYPE = torch.float32


class StepCost(NamedTuple):
    """What was measured of a group of K trials."""

    seconds: float
    """Of the fastest step and its share of the epoch's validation, per trial."""
    first: float
    """Seconds of the first step, in which libraries prepare themselves for the shape."""
    whole: float
    """Seconds of the other steps and a validation together."""
    steps: int
    """Batches of an epoch."""
    trial_bytes: int
    """What a trial more is estimated to need."""


class _StepTimes(NamedTuple):
    seconds: list[float]
    """Of each step, two at least."""
    batch: Batch
    """One of those trained on."""


def measure_step_cost(
    plan: Plan, trials: int, device: torch.device, most_seconds: float
) -> StepCost:
    """Builds a group of trials like this one and times a few of its steps.

    Args:
        plan: of one of the trials.
        trials: K.
        device: where to train.
        most_seconds: after two steps, no further one begins once so much time has gone by.

    Raises:
        TrainingFailed: when model and data do not fit, or the device lacks the precision.
    """
    check_precision(plan.spec, device)
    task = task_for(plan.spec, device=device, dtype=DTYPE, fold=plan.fold)
    plans = [replace(plan, number=number) for number in range(trials)]
    progress, state = build_state(plans, {}, task, device=device, dtype=DTYPE)
    times = _step_times(Loop(task, progress, state), device, most_seconds)

    def validation_seconds() -> float:
        began = _now(device)
        with torch.no_grad():
            task.measure(state.views, state.buffer_views, "validation")
        return _now(device) - began

    validation = validation_seconds()
    if validation < most_seconds:  # the first time may have prepared something
        validation = min(validation, validation_seconds())
    later = times.seconds[1:]
    return StepCost(
        seconds=(min(later) + validation / len(task.sizes)) / trials,
        first=times.seconds[0],
        whole=sum(later) + validation,
        steps=len(task.sizes),
        trial_bytes=2 * state.size_bytes // trials + _activation_bytes(task, times.batch),
    )


def _step_times(loop: Loop, device: torch.device, most_seconds: float) -> _StepTimes:
    """Times steps: up to `STEPS` of an epoch, and of as many epochs as two steps take."""
    marks: list[float] = []
    sample: Batch | None = None

    def timed(batches: Iterator[Batch]) -> Iterator[Batch]:
        nonlocal sample
        for batch in batches:
            sample = batch
            marks.append(_now(device))
            if len(marks) > STEPS or (len(marks) > 2 and marks[-1] - marks[0] > most_seconds):
                return
            yield batch
        marks.append(_now(device))

    seconds: list[float] = []
    while len(seconds) < 2:  # an epoch may be one batch
        marks.clear()
        loop.epoch(timed(loop.batches()))
        seconds += [after - before for before, after in itertools.pairwise(marks)]
    if sample is None:
        raise ValueError("an epoch must have a batch to time its steps")
    return _StepTimes(seconds, sample)


def _activation_bytes(task: Task, batch: Batch) -> int:
    """What a pass over a batch makes at a layer's both ends, for one trial.

    A convolution's maps count as large as the images. (State counts twice beside that: an epoch
    begins with a copy of it.)
    """
    area = math.prod(batch.x.shape[-2:]) if isinstance(batch.x, Tensor) else 1
    numbers = 0
    for entry in task.layout:
        if len(entry.shape) == 2:
            numbers += sum(entry.shape)
        elif len(entry.shape) > 2:
            numbers += sum(entry.shape[:2]) * area
    return PER_NUMBER * batch.rows * numbers * DTYPE.itemsize


def _now(device: torch.device) -> float:
    """Seconds on a clock, after the device has finished what was asked of it."""
    if device.type != "cpu":
        torch.get_device_module(device).synchronize()
    return time.perf_counter()
