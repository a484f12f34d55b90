"""Our distributions in Optuna's words.

    choice, uniform with a step     the position among the values, so that nothing is rounded
    uniform, log_uniform            a float on its own axis
    int_uniform, int_log_uniform    an integer; Optuna has no steps on a logarithmic axis, so
                                    there the nearest value is taken

Where a sampler lists all values of a stepped range, one of too many is a float to it, and the
nearest value is taken.

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
        """What Optuna suggests in a trial."""
        found = self.distribution
        if isinstance(found, CategoricalDistribution):
            return int(trial.suggest_categorical(name, range(len(found.choices))))
        if isinstance(found, IntDistribution):
            return trial.suggest_int(name, found.low, found.high, step=found.step, log=found.log)
        if isinstance(found, FloatDistribution):
            return trial.suggest_float(name, found.low, found.high, log=found.log)
        raise TypeError(f"{found!r} is none of Optuna's three kinds of distributions")


def axis(distribution: Distribution, most_values: int | None = None) -> Axis:
    """The axis of a distribution; a range of more values than `most_values` is continuous."""
    if isinstance(distribution, Choice):
        options = distribution.choice
        positions = CategoricalDistribution(range(len(options)))
        return Axis(positions, distribution.index, lambda i: options[int(i)])
    if not isinstance(distribution, Interval):
        raise TypeError(f"{distribution!r} is neither an interval nor a choice")
    is_stepped = distribution.spacing is not None
    if is_stepped and most_values is not None and steps(distribution) > most_values:
        return _nearly_continuous(distribution)
    if distribution.integer:
        return _integers(distribution)
    if distribution.spacing is not None:
        return _steps(distribution)
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
        lambda place: values[int(place)],
    )
