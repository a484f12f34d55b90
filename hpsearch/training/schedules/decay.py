"""Schedules that fall by a closed formula; each gives its multiplier [N] at a clock's moments.

The formulas stand in `spec.schedules`.
"""

from __future__ import annotations

import numpy as np

from hpsearch.spec.schedules import decay as spec
from hpsearch.spec.schedules import piecewise
from hpsearch.training.schedules.clock import Clock, Floats, ceil, count_passed, floor
from hpsearch.training.schedules.noise import standard_normal


def constant(_: piecewise.Constant, clock: Clock) -> Floats:
    """1 at every step."""
    return np.ones(len(clock.step))


def piecewise_constant(schedule: piecewise.PiecewiseConstant, clock: Clock) -> Floats:
    """The factor of the piece between two boundaries."""
    pieces = count_passed(clock.time(schedule), schedule.boundaries, at=False)
    return np.asarray(schedule.factors, np.float64)[pieces]


def step(schedule: piecewise.Step, clock: Clock) -> Floats:
    """A power of gamma: the number of whole step sizes gone by."""
    return schedule.gamma ** floor(clock.periods(schedule, schedule.step_size))


def multi_step(schedule: piecewise.MultiStep, clock: Clock) -> Floats:
    """A power of gamma: the number of milestones reached."""
    milestones = count_passed(clock.time(schedule), schedule.milestones, at=True)
    return schedule.gamma ** milestones.astype(np.float64)


def _decays(
    schedule: spec.Exponential | spec.NaturalExponential | spec.InverseTime, clock: Clock
) -> Floats:
    """The exponent's t / T, floored with `staircase`."""
    progress = clock.progress(schedule)
    return floor(progress) if schedule.staircase else progress


def exponential(schedule: spec.Exponential, clock: Clock) -> Floats:
    """decay_rate to the power of the lengths gone by."""
    return schedule.decay_rate ** _decays(schedule, clock)


def natural_exponential(schedule: spec.NaturalExponential, clock: Clock) -> Floats:
    """E to the power of −decay_rate · lengths gone by."""
    return np.exp(-schedule.decay_rate * _decays(schedule, clock))


def inverse_time(schedule: spec.InverseTime, clock: Clock) -> Floats:
    """1 / (1 + decay_rate · lengths gone by)."""
    return 1.0 / (1.0 + schedule.decay_rate * _decays(schedule, clock))


def polynomial(schedule: spec.Polynomial, clock: Clock) -> Floats:
    """A power of the time left; with `cycle`, of the time left to the next multiple of T."""
    progress = clock.progress(schedule)
    end = np.maximum(ceil(progress), 1.0) if schedule.cycle else 1.0
    left = np.maximum(1.0 - progress / end, 0.0)
    return (1.0 - schedule.end_factor) * left**schedule.power + schedule.end_factor


def linear(schedule: spec.Linear, clock: Clock) -> Floats:
    """Straight from one factor to the other."""
    progress = np.minimum(clock.progress(schedule), 1.0)
    return schedule.start_factor + (schedule.end_factor - schedule.start_factor) * progress


def half_cosine(progress: Floats) -> Floats:
    """1 at 0 down to 0 at 1, flat at both."""
    return 0.5 * (1.0 + np.cos(np.pi * progress))


def cosine(schedule: spec.Cosine, clock: Clock) -> Floats:
    """Half a cosine from 1 to alpha, then alpha."""
    progress = np.minimum(clock.progress(schedule), 1.0)
    return (1.0 - schedule.alpha) * half_cosine(progress) + schedule.alpha


def linear_cosine(
    schedule: spec.LinearCosine | spec.NoisyLinearCosine, clock: Clock, noise: Floats | float = 0.0
) -> Floats:
    """(alpha + 1 − t/T + noise) times a cosine, plus beta."""
    progress = np.minimum(clock.progress(schedule), 1.0)
    line = schedule.alpha + (1.0 - progress) + noise
    return line * half_cosine(2.0 * schedule.num_periods * progress) + schedule.beta


def noisy_linear_cosine(schedule: spec.NoisyLinearCosine, clock: Clock) -> Floats:
    """A line with noise, times a cosine."""
    time = np.minimum(clock.time(schedule), clock.length(schedule))
    deviation = np.sqrt(schedule.initial_variance / (1.0 + time) ** schedule.variance_decay)
    return linear_cosine(
        schedule, clock, deviation * standard_normal(clock.horizon.seed, clock.step)
    )


def inverse_sqrt(schedule: spec.InverseSqrt, clock: Clock) -> Floats:
    """√(reference / t), and 1 before t reaches the reference."""
    return np.sqrt(schedule.reference / np.maximum(clock.time(schedule), schedule.reference))


def warmup_stable_decay(schedule: spec.WarmupStableDecay, clock: Clock) -> Floats:
    """1 for the share `stable` of the time, then down to 0."""
    left = max(1.0 - schedule.stable, np.finfo(np.float64).tiny)
    down = np.clip((clock.elapsed / clock.planned - schedule.stable) / left, 0.0, 1.0)
    if schedule.decay == "cosine":
        return half_cosine(down)
    return 1.0 - (np.sqrt(down) if schedule.decay == "1-sqrt" else down)
