"""What the names of classes stand for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpsearch.training.data.class_values import class_values


@pytest.mark.parametrize(
    ("names", "class_type", "expected"),
    [
        (("red", "1"), "text", np.array(["red", "1"])),
        (("0", "7", "-3"), "integer", np.array([0, 7, -3])),
        (("0.5", "2", "1e+20"), "number", np.array([0.5, 2, 1e20])),
        (("false", "true"), "boolean", np.array([False, True])),
        (("1", str(2**64)), "integer", np.array([1, 2**64], dtype=object)),
        ((), "text", np.array([], dtype=np.str_)),
    ],
)
def test_values_have_the_type_that_was_learned(
    names: tuple[str, ...], class_type: Any, expected: Any
) -> None:
    found = class_values(names, class_type)
    assert found.dtype == expected.dtype
    assert found.tolist() == expected.tolist()


@given(st.lists(st.integers(), max_size=5))
def test_whole_numbers_stay_exact(numbers: list[int]) -> None:
    assert class_values([str(number) for number in numbers], "integer").tolist() == numbers


@pytest.mark.parametrize(
    ("name", "class_type"),
    [("yes", "boolean"), ("True", "boolean"), ("1.5", "integer"), ("red", "number")],
)
def test_a_name_that_is_no_such_value_is_refused(name: str, class_type: Any) -> None:
    with pytest.raises(ValueError, match=name):
        class_values([name], class_type)
