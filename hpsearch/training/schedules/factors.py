"""The table of schedules, and what surrounds every one of them: warmup, sequence, bounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from hpsearch.spec import schedule as spec
from hpsearch.training.schedules import cycles, decay
from hpsearch.training.schedules.arithmetic import arithmetic
from hpsearch.training.schedules.clock import Clock, Floats, Horizon, Integers
from hpsearch.training.schedules.plateau import reduce_on_plateau

MAX_FACTOR = 1e30
"""Rates that grow without end stop here: far past any use, and a number in float32 too."""


def lr_factors(
    schedule: spec.Schedule,
    steps: Integers,
    horizon: Horizon,
    history: Sequence[float] = (),
) -> Floats:
    """The multiplier of `optimizer.lr` at each optimizer step.

    Args:
        schedule: resolved, so that it holds no distribution.
        steps: 0-based [N], in any order; the value at one does not depend on the others.
        horizon: what the schedule is laid over.
        history: the value of the metric that `reads_history` names, at each epoch end so far.

    Returns:
        Factors [N], within [0, MAX_FACTOR].

    Raises:
        InvalidInput: when a lambda's expression is not finite at one of the steps.
    """
    clock = Clock.of(steps, horizon, history)
    with np.errstate(over="ignore"):
        return np.clip(_factors(schedule, clock), 0.0, MAX_FACTOR)


def reads_history(schedule: spec.Schedule) -> str | None:
    """The metric whose curve the schedule follows; none for those that follow time alone."""
    return next(iter(spec.metrics_read(schedule)), None)


def _factors(schedule: spec.Schedule, clock: Clock) -> Floats:
    length = clock.warmup_steps(schedule.warmup)
    shape = SCHEDULES[schedule.kind]
    if schedule.warmup is None or length == 0:
        return shape(schedule, clock)
    rising = clock.step < clock.start + length
    factors = np.empty(len(clock.step))
    factors[rising] = _rise(schedule.warmup, clock.at(rising).elapsed / length)
    factors[~rising] = shape(schedule, clock.after(length).at(~rising))
    return factors


def _rise(warmup: spec.Warmup, progress: Floats) -> Floats:
    """From `start_factor` at 0 to 1 at 1."""
    start = warmup.start_factor
    if warmup.kind == "constant":
        return np.full(len(progress), start)
    if warmup.kind == "exponential":
        return start ** (1.0 - progress)
    return start + (1.0 - start) * progress


def _sequence(schedule: spec.Sequence, clock: Clock) -> Floats:
    factors = np.empty(len(clock.step))
    for part, mine, its_clock in clock.parts(schedule):
        factors[mine] = _factors(part, its_clock)
    return factors


SCHEDULES: Mapping[str, Callable[[Any, Clock], Floats]] = {
    "constant": decay.constant,
    "piecewise_constant": decay.piecewise_constant,
    "step": decay.step,
    "multi_step": decay.multi_step,
    "exponential": decay.exponential,
    "natural_exponential": decay.natural_exponential,
    "inverse_time": decay.inverse_time,
    "polynomial": decay.polynomial,
    "linear": decay.linear,
    "cosine": decay.cosine,
    "linear_cosine": decay.linear_cosine,
    "noisy_linear_cosine": decay.noisy_linear_cosine,
    "cosine_restarts": cycles.cosine_restarts,
    "cyclic": cycles.cyclic,
    "one_cycle": cycles.one_cycle,
    "reduce_on_plateau": reduce_on_plateau,
    "inverse_sqrt": decay.inverse_sqrt,
    "warmup_stable_decay": decay.warmup_stable_decay,
    "lambda": arithmetic,
    "sequence": _sequence,
}
"""What computes each kind's multiplier [N], given the schedule and a clock without its warmup."""
