"""Which of two classes is the positive one."""

from __future__ import annotations

from collections.abc import Iterator

from hpsearch.errors import FieldError
from hpsearch.spec.language.messages import format_value
from hpsearch.spec.wire.datasets import DatasetInfo

PATH = "task.positive"


def positive_errors(positive: str | None, info: DatasetInfo) -> Iterator[FieldError]:
    """What is wrong with a positive class for this data; nothing where none is named."""
    if positive is None:
        return
    names = ", ".join(info.class_names[:20])
    if info.target != "classes":
        yield FieldError(
            PATH,
            f"needs two classes, and the target of {info.name} is {info.target}; leave it out",
        )
    elif info.classes != 2:
        yield FieldError(
            PATH,
            f"needs two classes, and {info.name} has {info.classes}, which f1 counts alike; leave "
            "it out",
        )
    elif positive not in info.class_names:
        yield FieldError(
            PATH,
            f"must be a class of {info.name}, got {format_value(positive)}; use one of {names}",
        )


def positive_of(positive: str | None, info: DatasetInfo) -> str | None:
    """The positive class: the one named, else the rarer of two, of equally many rows the later."""
    if positive is not None or info.classes != 2 or len(info.class_names) != 2:
        return positive
    first, second = info.class_names
    if len(info.class_rows) != 2:
        return second
    return first if info.class_rows[0] < info.class_rows[1] else second
