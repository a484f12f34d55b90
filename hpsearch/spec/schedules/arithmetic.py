"""A schedule that a person writes as an expression."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from hpsearch.spec.language.expression import ExpressionError, first_value, parse
from hpsearch.spec.language.searchable import OneOf
from hpsearch.spec.schedules.base import ScheduleBase


def _expression(text: str) -> str:
    try:
        value = first_value(parse(text))
    except ExpressionError as error:
        raise PydanticCustomError("expression", "{sentence}", {"sentence": str(error)}) from None
    if not math.isfinite(value):
        raise PydanticCustomError(
            "expression",
            "must be a finite number at every step, got {value} at the first, where step and epoch "
            "are 0; use step + 1 or max(step, 1)",
            {"value": str(value)},
        )
    return text


class Lambda(ScheduleBase):
    """A person's own arithmetic in step, epoch, total_steps and total_epochs (`spec.expression`).

    All four count from the schedule's beginning, after its warmup; `epoch` is fractional inside an
    epoch (`floor(epoch)` is not), whatever `unit` says. A negative result counts as 0; one that is
    not finite is an error.
    """

    implementation = "hpsearch.training.schedules.arithmetic:arithmetic"
    example = {"expression": "1 / (1 + epoch)"}

    kind: Literal["lambda"]
    expression: OneOf[Annotated[str, AfterValidator(_expression)]]
