"""Our distributions in Optuna's words.

    choice, uniform with a step     the index among the values, so that nothing is rounded
    uniform, log_uniform            a float on its own axis
    int_uniform, int_log_uniform    an integer; Optuna has no steps on a logarithmic axis, so
                                    there what it draws is rounded to the nearest value, as of a
                                    log_uniform with a step

Where a sampler lists all values of a stepped range, one of too many is a float to it, and what it
draws is rounded to the nearest value.

Optuna is imported here: nothing that a server loads at its start may import this module.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import Trial

from hpsearch.spec.language.distributions import Choice, Distribution, Interval, Value
from hpsearch.spec.space.grid import Steps, steps

Number = int | float


@dataclass(frozen=True)
class Axis:
    """How a parameter's values stand in Optuna's trials."""

    distribution: BaseDistribution
    encode: Callable[[Value], Number]
    decode: Callable[[Number], Value]

    def suggest(self, trial: Trial, name: str) -> Number:
        """What Optuna suggests in a trial for the parameter of that name, encoded."""
        domain = self.distribution
        if isinstance(domain, CategoricalDistribution):
            return int(trial.suggest_categorical(name, range(len(domain.choices))))
        if isinstance(domain, IntDistribution):
            step, log = domain.step, domain.log
            return trial.suggest_int(name, domain.low, domain.high, step=step, log=log)
        if isinstance(domain, FloatDistribution):
            return trial.suggest_float(name, domain.low, domain.high, log=domain.log)
        raise TypeError(f"{domain!r} is none of Optuna's three kinds of distributions")


def axis(distribution: Distribution, max_steps: int | None = None) -> Axis:
    """The axis of a distribution.

    Args:
        distribution: a parameter's.
        max_steps: a stepped range of more values is continuous; none for any number.
    """
    if isinstance(distribution, Choice):
        options = distribution.choice
        indices = CategoricalDistribution(range(len(options)))
        return Axis(indices, distribution.index, lambda i: options[int(i)])
    if not isinstance(distribution, Interval):
        raise TypeError(f"{distribution!r} is neither an interval nor a choice")
    is_stepped = distribution.spacing is not None
    if is_stepped and max_steps is not None and steps(distribution) > max_steps:
        return _nearly_continuous(distribution)
    if distribution.integer:
        return _integers(distribution)
    if distribution.spacing is not None:
        return _nearly_continuous(distribution) if distribution.log else _steps(distribution)
    low, high = float(distribution.low), float(distribution.high)
    return Axis(
        FloatDistribution(low, high, log=distribution.log),
        float,
        lambda value: min(max(float(value), low), high),
    )


def _integers(interval: Interval) -> Axis:
    low, high, step = int(interval.low), int(interval.high), int(interval.spacing or 1)
    high -= (high - low) % step
    if not interval.log:
        return Axis(IntDistribution(low, high, step=step), int, int)
    return Axis(
        IntDistribution(low, high, log=True),
        int,
        lambda value: low + step * round((value - low) / step),
    )


def _nearly_continuous(interval: Interval) -> Axis:
    values, low, spacing = Steps(interval), interval.low, interval.spacing or 1
    last = steps(interval) - 1
    return Axis(
        FloatDistribution(float(low), float(values[last]), log=interval.log),
        float,
        lambda value: values[min(max(round((value - low) / spacing), 0), last)],
    )


def _steps(interval: Interval) -> Axis:
    values, low, spacing = Steps(interval), interval.low, interval.spacing or 1
    return Axis(
        IntDistribution(0, steps(interval) - 1),
        lambda value: round((value - low) / spacing),
        lambda index: values[int(index)],
    )
