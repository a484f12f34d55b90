"""The values that classes stand for: their names are text wherever they are stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpsearch.spec.wire.upload import ClassType

_TRUTH = {"false": False, "true": True}


def class_values(names: Sequence[str], class_type: ClassType) -> NDArray[Any]:
    """The value of each class [C]: str, int64, float64 or bool.

    Whole numbers beyond 64 bits stay exact, as Python's own in an array of objects.

    Args:
        names: in the order of a model's outputs.
        class_type: what the data set's target held.

    Raises:
        ValueError: when a name is no such value.
    """
    if class_type == "text":
        return np.array(names, dtype=np.str_)
    if class_type == "boolean":
        if strange := set(names) - set(_TRUTH):
            raise ValueError(f"a class of truth values is true or false, got {min(strange)!r}")
        return np.array([_TRUTH[name] for name in names], dtype=np.bool_)
    if class_type == "number":
        return np.array([float(name) for name in names], dtype=np.float64)
    numbers = [int(name) for name in names]
    try:
        return np.array(numbers, dtype=np.int64)
    except OverflowError:
        return np.array(numbers, dtype=object)
