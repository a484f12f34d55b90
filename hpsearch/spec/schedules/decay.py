"""Schedules that fall, or are laid over a length."""

from __future__ import annotations

from typing import Annotated, Literal

from hpsearch.spec.language.searchable import OneOf, Real
from hpsearch.spec.schedules.base import Decaying, ScheduleBase


class Exponential(Decaying):
    """decay_rate^(t / T)."""

    implementation = "hpsearch.training.schedules.decay:exponential"
    example = {"decay_rate": 0.9}

    kind: Literal["exponential"]
    decay_rate: Annotated[float, Real(gt=0)]
    staircase: OneOf[bool] = False
    """True floors t / T."""


class NaturalExponential(Decaying):
    """exp(−decay_rate·t / T)."""

    implementation = "hpsearch.training.schedules.decay:natural_exponential"
    example = {"decay_rate": 0.1}

    kind: Literal["natural_exponential"]
    decay_rate: Annotated[float, Real(ge=0)]
    staircase: OneOf[bool] = False
    """True floors t / T."""


class InverseTime(Decaying):
    """1 / (1 + decay_rate·t / T)."""

    implementation = "hpsearch.training.schedules.decay:inverse_time"
    example = {"decay_rate": 0.5}

    kind: Literal["inverse_time"]
    decay_rate: Annotated[float, Real(ge=0)]
    staircase: OneOf[bool] = False
    """True floors t / T."""


class Polynomial(Decaying):
    """(1 − end_factor)·(1 − min(t, T) / T)^power + end_factor."""

    implementation = "hpsearch.training.schedules.decay:polynomial"
    example = {"power": 2.0}

    kind: Literal["polynomial"]
    power: Annotated[float, Real(gt=0)] = 1.0
    end_factor: Annotated[float, Real(ge=0)] = 0.0
    cycle: OneOf[bool] = False
    """True: t is not clamped and T becomes T·max(1, ceil(t / T)), so that the rate rises again."""


class Linear(Decaying):
    """start_factor + (end_factor − start_factor)·min(t, T) / T."""

    implementation = "hpsearch.training.schedules.decay:linear"

    kind: Literal["linear"]
    start_factor: Annotated[float, Real(ge=0)] = 1.0
    end_factor: Annotated[float, Real(ge=0)] = 0.0


class Cosine(Decaying):
    """(1 − alpha)·½(1 + cos(π·min(t, T) / T)) + alpha."""

    implementation = "hpsearch.training.schedules.decay:cosine"
    example = {"warmup": {"epochs": 0.5}}

    kind: Literal["cosine"]
    alpha: Annotated[float, Real(ge=0, le=1)] = 0.0


class LinearCosine(Decaying):
    """(alpha + (T − t) / T)·½(1 + cos(2π·num_periods·t / T)) + beta, t clamped to T.

    Bello et al. 2017, Neural Optimizer Search with Reinforcement Learning.
    """

    implementation = "hpsearch.training.schedules.decay:linear_cosine"

    kind: Literal["linear_cosine"]
    num_periods: Annotated[float, Real(ge=0)] = 0.5
    alpha: Annotated[float, Real(ge=0)] = 0.0
    beta: Annotated[float, Real(ge=0)] = 0.001


class NoisyLinearCosine(Decaying):
    """(alpha + (T − t) / T + ε)·½(1 + cos(2π·num_periods·t / T)) + beta, at least 0.

    ε ~ N(0, initial_variance / (1 + t)^variance_decay), one draw for each optimizer step, from the
    trial's seed. t is clamped to T.
    """

    implementation = "hpsearch.training.schedules.decay:noisy_linear_cosine"

    kind: Literal["noisy_linear_cosine"]
    num_periods: Annotated[float, Real(ge=0)] = 0.5
    alpha: Annotated[float, Real(ge=0)] = 0.0
    beta: Annotated[float, Real(ge=0)] = 0.001
    initial_variance: Annotated[float, Real(ge=0)] = 1.0
    variance_decay: Annotated[float, Real(ge=0)] = 0.55


class InverseSqrt(ScheduleBase):
    """√(reference / max(t, reference))."""

    implementation = "hpsearch.training.schedules.decay:inverse_sqrt"
    example = {"reference": 1}

    kind: Literal["inverse_sqrt"]
    reference: Annotated[float, Real(gt=0)]


class WarmupStableDecay(ScheduleBase):
    """1 for the share `stable` of the planned length after warmup, then down to 0 at its end.

    With x from 0 to 1 over the way down: linear 1 − x; cosine ½(1 + cos(π·x)); 1-sqrt 1 − √x.
    Without a `warmup` there is no way up (Hu et al. 2024, MiniCPM).
    """

    implementation = "hpsearch.training.schedules.decay:warmup_stable_decay"

    kind: Literal["warmup_stable_decay"]
    stable: Annotated[float, Real(ge=0, le=1)] = 0.8
    decay: OneOf[Literal["linear", "cosine", "1-sqrt"]] = "linear"
