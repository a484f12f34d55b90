"""`lambda` schedules: a parsed expression evaluated on arrays, as spec.expression describes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import numpy as np

from hpsearch.errors import InvalidInput
from hpsearch.spec.language.expression import evaluate, parse
from hpsearch.spec.language.messages import format_value
from hpsearch.spec.schedules.arithmetic import Lambda
from hpsearch.training.schedules.clock import Clock, Floats


def _comparison(compare: Callable[..., Any]) -> Callable[..., Floats]:
    return lambda left, right: np.asarray(compare(left, right), np.float64)


VECTOR: Mapping[str, Callable[..., Any]] = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "//": np.floor_divide,
    "%": np.remainder, "**": np.float_power, "pow": np.float_power, "negative": np.negative,
    "<": _comparison(np.less), "<=": _comparison(np.less_equal),
    ">": _comparison(np.greater), ">=": _comparison(np.greater_equal),
    "==": _comparison(np.equal), "!=": _comparison(np.not_equal),
    "if": lambda condition, value, other: np.where(np.asarray(condition) != 0, value, other),
    "exp": np.exp, "log": np.log, "sqrt": np.sqrt, "sin": np.sin, "cos": np.cos, "tan": np.tan,
    "tanh": np.tanh, "abs": np.abs, "floor": np.floor, "ceil": np.ceil,
    "min": lambda *values: reduce(np.minimum, values),
    "max": lambda *values: reduce(np.maximum, values),
}  # fmt: skip
"""Each operation on float64 arrays [N] and single numbers."""


def arithmetic(schedule: Lambda, clock: Clock) -> Floats:
    """The expression at each step [N].

    Raises:
        InvalidInput: when a value is not finite, naming the first such step.
    """
    names = {
        "step": clock.elapsed,
        "epoch": clock.elapsed / clock.horizon.steps_per_epoch,
        "total_steps": np.float64(clock.planned),
        "total_epochs": np.float64(clock.planned / clock.horizon.steps_per_epoch),
    }
    with np.errstate(all="ignore"):
        values = evaluate(parse(schedule.expression), names, VECTOR)
    factors = np.broadcast_to(np.asarray(values, np.float64), clock.step.shape)
    bad = np.flatnonzero(~np.isfinite(factors))
    if bad.size:
        at = bad[0]
        raise InvalidInput.at(
            "schedule.expression",
            f"must be a finite number at every step, got {factors[at]} at step {clock.step[at]} "
            f"from {format_value(schedule.expression)}; guard it, for example with max(..., 1)",
        )
    return factors
