"""A few steps of a group that nobody keeps, to see how long they take and what they need."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from hpsearch.training.group.group import Group
from hpsearch.training.tasks.base import Batch
from hpsearch.training.tasks.plan import Plan

PER_NUMBER = 4
"""Tensors per number that enters or leaves a layer: before and after, its gradient, in passing."""
STEPS = 5
"""Of a rehearsal; the first warms up and does not count."""


class StepCost(NamedTuple):
    """What the steps of a group came to."""

    seconds: float
    """Of the fastest step and its share of the epoch's validation, per trial."""
    first: float
    """Of the first step, in which libraries prepare themselves for the shape."""
    whole: float
    """Of the other steps and a validation together."""
    steps: int
    """Batches of an epoch."""
    trial_bytes: int
    """What a trial more is reckoned to need."""


def measure_step_cost(
    plan: Plan, trials: int, device: torch.device, most_seconds: float
) -> StepCost:
    """Steps of a group of trials like this one; two at least, then no more than time allows."""
    group = Group(_like(plan, trials), device=device)
    marks: list[float] = []
    sample = Batch(torch.empty(0), torch.empty(0), 0)

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
        group.rehearse(timed)
        seconds += [after - before for before, after in itertools.pairwise(marks)]
    began = _now(device)
    group.validate()
    validation = _now(device) - began
    if validation < most_seconds:  # the first time may have prepared something
        began = _now(device)
        group.validate()
        validation = min(validation, _now(device) - began)
    return StepCost(
        (min(seconds[1:]) + validation / group.steps) / trials,
        seconds[0],
        sum(seconds[1:]) + validation,
        group.steps,
        _trial_bytes(group, trials, sample),
    )


def _trial_bytes(group: Group, trials: int, batch: Batch) -> int:
    """State twice (an epoch begins with a copy), and what a pass makes at a layer's both ends.

    A convolution's maps are reckoned as large as the images.
    """
    area = math.prod(batch.x.shape[-2:]) if isinstance(batch.x, Tensor) else 1
    numbers = 0
    for entry in group.layout:
        if len(entry.shape) == 2:
            numbers += sum(entry.shape)
        elif len(entry.shape) > 2:
            numbers += sum(entry.shape[:2]) * area
    made = PER_NUMBER * batch.rows * numbers * torch.float32.itemsize
    return 2 * group.size_bytes // trials + made


def _like(plan: Plan, trials: int) -> Sequence[Plan]:
    return [replace(plan, number=number) for number in range(trials)]


def _now(device: torch.device) -> float:
    if device.type != "cpu":
        torch.get_device_module(device).synchronize()
    return time.perf_counter()
