"""Types of fields that several records share: names, metrics, keys, sentences."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

TargetKind: TypeAlias = Literal["classes", "numbers", "none"]
"""What a data set is learned for: a class of each row, a number, or nothing (no rows)."""


def _printable(name: str) -> str:
    if not name.isprintable():
        raise PydanticCustomError(
            "unprintable", "must hold printable characters alone; remove the others"
        )
    return name


Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_printable)]

Metrics = dict[Name, float]
"""Numbers by metric name; NaN and ±inf travel as "NaN", "Infinity", "-Infinity"."""

Key = Annotated[int, Field(ge=1, le=2**31 - 1)]
"""An id, or an attempt."""

Why = Annotated[
    str | None,
    Field(exclude_if=lambda why: why is None, description="In a sentence, where it is to stop."),
]

MESSAGE_LENGTH = 2000

# A database keeps no NUL in a text.
Sentence = Annotated[
    str, Field(max_length=MESSAGE_LENGTH), AfterValidator(lambda s: s.replace("\0", "�"))
]


def require_test_metrics(metrics: Metrics) -> Metrics:
    """The metrics, all of which must be scores on the test split."""
    for name in metrics:
        if not name.startswith("test_"):
            raise PydanticCustomError(
                "not_test", "must hold test_* alone, got {name}; report it", {"name": name}
            )
    return metrics


def refuse_test_metrics(metrics: Metrics) -> Metrics:
    """The metrics, none of which may be a score on the test split."""
    for name in metrics:
        if name.startswith("test_"):
            raise PydanticCustomError(
                "test_in_report",
                "must hold no score on the test split, got {name}; send it with :complete",
                {"name": name},
            )
    return metrics
