"""Records of data sets as servers before 0.2 stored them, made such that they are read as then.

They say nothing of the target's column: what it holds follows from its classes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

from hpsearch.spec.wire.datasets import Dataset
from hpsearch.spec.wire.upload import ColumnInfo, ColumnReading

TABLES = ("csv", "parquet", "npz")
"""Formats whose target is a column, or an array."""


def with_target_column(dataset: Dataset) -> Dataset:
    """A record that has its target among its columns; a new one as it is."""
    if dataset.format not in TABLES or any(c.role == "target" for c in dataset.columns):
        return dataset
    name = dataset.target_column or "y"
    # Numbers of CSV that a person called categories were text: 1 and 1.0 were two classes.
    is_text = dataset.format == "csv" and dataset.uses.get(name) == "category"
    by_value = _are_numbers(dataset.class_names) and not is_text
    kind: Literal["number", "category"] = "number" if dataset.target == "numbers" else "category"
    target = ColumnInfo(
        name=name,
        kind="number" if by_value else kind,
        role="target",
        distinct=dataset.classes,
        reading=ColumnReading(kind=kind, by_value=by_value),
    )
    changed: dict[str, Any] = {"columns": (*dataset.columns, target)}
    if by_value:
        numbers = [float(name) for name in dataset.class_names]
        is_integer = all(number.is_integer() for number in numbers)
        changed["class_type"] = "integer" if is_integer else "number"
        changed["class_names"] = tuple(
            str(int(number)) if number.is_integer() else repr(number) for number in numbers
        )
    return dataset.model_copy(update=changed)


def _are_numbers(names: Sequence[str]) -> bool:
    """Whether classes are numbers in ascending order, each written as it was then."""
    numbers = [_number(name) for name in names]
    is_written = all(f"{n:.17g}" == name for n, name in zip(numbers, names, strict=True))
    return bool(names) and is_written and numbers == sorted(numbers)


def _number(name: str) -> float:
    try:
        return float(name)
    except ValueError:
        return math.nan
