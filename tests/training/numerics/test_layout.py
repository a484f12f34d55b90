"""Views share the matrix's memory, lie where they say, and cover each column once."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hpsearch.training.numerics.layout import Layout

SHAPES = st.dictionaries(
    st.text("abc.0", min_size=1, max_size=6),
    st.lists(st.integers(1, 4), max_size=4).map(tuple),
    max_size=6,
)


@given(SHAPES, st.integers(1, 4))
def test_views_are_the_matrix_in_order(shapes: dict[str, tuple[int, ...]], trials: int) -> None:
    layout = Layout.of(shapes)
    assert layout.size == sum(math.prod(shape) for shape in shapes.values())
    matrix = torch.arange(trials * layout.size, dtype=torch.float64).view(trials, -1)
    matrix = matrix if layout.size else torch.zeros(trials, 0)
    views = layout.views(matrix)
    assert [(name, view.shape[1:]) for name, view in views.items()] == list(shapes.items())
    joined = [view.reshape(trials, -1) for view in views.values()]
    assert torch.equal(torch.cat([torch.zeros(trials, 0), *joined], dim=1), matrix.double())
    for view in views.values():
        view.zero_()
    assert not matrix.any()


@given(SHAPES)
def test_columns_repeat_a_factor_over_each_tensor(shapes: dict[str, tuple[int, ...]]) -> None:
    layout = Layout.of(shapes)
    names = list(shapes)
    row = layout.columns(lambda name: float(names.index(name)))
    assert row.shape == (layout.size,)
    for entry in layout:
        assert (row[entry.columns] == names.index(entry.name)).all()


def test_a_view_writes_through_to_its_row() -> None:
    layout = Layout.of({"weight": (2, 3), "bias": (3,), "scale": ()})
    matrix = torch.zeros(2, layout.size)
    layout.views(matrix)["scale"][1] = 7
    layout["bias"].view(matrix)[0] = torch.tensor([1.0, 2.0, 3.0])
    assert matrix.tolist() == [[0] * 6 + [1, 2, 3, 0], [0] * 9 + [7]]


def test_equal_layouts_are_equal_and_hash_alike() -> None:
    shapes = {"a": (2,), "b": ()}
    assert Layout.of(shapes) == Layout.of(dict(shapes))
    assert hash(Layout.of(shapes)) == hash(Layout.of(dict(shapes)))
    assert Layout.of(shapes) != Layout.of({"b": (), "a": (2,)})


@pytest.mark.parametrize("shape", [(2, 4), (5,), (1, 2, 5)])
def test_a_matrix_of_another_size_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"must be \[K, 5\], got .*; use the layout"):
        Layout.of({"a": (5,)}).views(torch.zeros(shape))


def test_an_unknown_name_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        Layout.of({"a": ()})["b"]
