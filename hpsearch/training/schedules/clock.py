"""Time as a schedule sees it.

A step is the 0-based index of an optimizer step in its trial. A schedule's clock is 0 where the
schedule begins: after its warmup, and inside a sequence at its part. It reads in epochs,
fractional inside one, or in steps, as the schedule's `unit` says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hpsearch.spec.schedule import Schedule
from hpsearch.spec.schedule import Sequence as ScheduleSequence
from hpsearch.spec.schedules.base import Decaying, ScheduleBase, Warmup

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]

SHORTEST = 1e-9
"""Lengths below it act as it, so that no quotient of times overflows."""
ROUNDING = 1e-9
"""Relative distance below which a time counts as having reached a boundary: 0.3 / 0.1 is 3."""


@dataclass(frozen=True)
class Horizon:
    """What a schedule is laid over.

    Args:
        steps_per_epoch: optimizer steps in an epoch.
        epochs: the trial's planned length.
        seed: of the trial's noise (`noisy_linear_cosine` alone draws).
    """

    steps_per_epoch: int
    epochs: int
    seed: int = 0


@dataclass(frozen=True)
class Clock:
    """N moments of one schedule's time."""

    horizon: Horizon
    history: Sequence[float]
    """The watched metric at each epoch end of the trial so far."""
    step: Integers
    """Optimizer steps of the trial [N]."""
    start: float
    """The step of the trial at which the schedule begins; a fraction where a length has one."""
    planned: float
    """Steps from there to the planned end."""

    @classmethod
    def of(cls, steps: Integers, horizon: Horizon, history: Sequence[float]) -> Clock:
        """The clock of a schedule that spans a whole trial, at given steps [N]."""
        planned = float(horizon.steps_per_epoch * horizon.epochs)
        return cls(horizon, history, np.asarray(steps, np.int64), 0.0, max(planned, 1.0))

    @property
    def elapsed(self) -> Floats:
        """Steps since the beginning [N], none negative."""
        return np.maximum(self.step.astype(np.float64) - self.start, 0.0)

    def steps_in(self, unit: str) -> float:
        """Optimizer steps in one `unit`, `epoch` or `step`."""
        return float(self.horizon.steps_per_epoch) if unit == "epoch" else 1.0

    def time(self, schedule: ScheduleBase) -> Floats:
        """The schedule's t [N], in its unit."""
        return self.elapsed / self.steps_in(schedule.unit)

    def length(self, schedule: Decaying) -> float:
        """The schedule's length T, in its unit."""
        if schedule.decay_steps is not None:
            return schedule.decay_steps
        return self.planned / self.steps_in(schedule.unit)

    def progress(self, schedule: Decaying) -> Floats:
        """How much of the length has gone by [N], t / T; past 1 after the end."""
        return self.periods(schedule, self.length(schedule))

    def periods(self, schedule: ScheduleBase, period: float) -> Floats:
        """How often a period fits into the time gone by [N]."""
        return self.time(schedule) / max(period, SHORTEST)

    def after(self, steps: float) -> Clock:
        """The clock of what begins `steps` later and ends with this one, at least a step long."""
        return replace(self, start=self.start + steps, planned=max(self.planned - steps, 1.0))

    def warmup_steps(self, warmup: Warmup | None) -> float:
        """A warmup's length in optimizer steps, a fraction where epochs are; 0 without one."""
        if warmup is None:
            return 0.0
        if warmup.steps is not None:
            return warmup.steps
        return near_whole((warmup.epochs or 0.0) * self.horizon.steps_per_epoch)

    def parts(self, sequence: ScheduleSequence) -> Iterator[tuple[Schedule, Mask, Clock]]:
        """Each part of a sequence that owns some of the moments, their mask [N], and its clock.

        The first owns what lies before it (a warmup), the last what lies behind it.
        """
        scale = self.steps_in(sequence.unit)
        begins = 0.0
        for position, part in enumerate(sequence.parts):
            ends = near_whole(begins + part.length * scale)
            last = position == len(sequence.parts) - 1
            start = self.start + begins
            owned = (self.step >= start) | (position == 0)
            owned &= (self.step < self.start + ends) | last
            if owned.any():
                yield (
                    part.schedule,
                    owned,
                    replace(self, step=self.step[owned], start=start, planned=ends - begins),
                )
            begins = ends

    def at(self, moments: Mask) -> Clock:
        """The clock at some of its moments, a mask [N]."""
        return replace(self, step=self.step[moments])


def near_whole(value: float) -> float:
    """A whole number that rounding missed by a hair, else the value itself."""
    return float(round(value)) if abs(value - round(value)) <= ROUNDING * abs(value) else value


def floor(values: Floats) -> Floats:
    """Largest whole number <= each value, where a hair below one counts as it."""
    return np.floor(values + ROUNDING * np.maximum(np.abs(values), 1.0))


def ceil(values: Floats) -> Floats:
    """Smallest whole number >= each value, where a hair above one counts as it."""
    return np.ceil(values - ROUNDING * np.maximum(np.abs(values), 1.0))


def count_passed(times: Floats, boundaries: Sequence[float], *, at: bool) -> Integers:
    """How many boundaries lie before each time; with `at`, also those that lie at it."""
    ordered = np.sort(np.asarray(boundaries, np.float64))
    hair = ROUNDING * np.maximum(np.abs(times), 1.0)
    return np.searchsorted(ordered, times + hair if at else times - hair)


Shape: TypeAlias = Callable[[Any, Clock], Floats]
"""What a schedule's `implementation` names: its multiplier [N], given the schedule and a clock that
begins after its warmup."""
