"""Clipping against torch.nn.utils, one row at a time."""

from __future__ import annotations

import math

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from hpsearch.training.update.clipping import clip_norm, clip_value

ROWS = st.lists(
    st.tuples(
        st.lists(st.floats(-1e6, 1e6), min_size=5, max_size=5),
        st.one_of(st.floats(1e-3, 1e3), st.just(math.inf)),
    ),
    min_size=1,
    max_size=4,
)
Rows = list[tuple[list[float], float]]


def matrices(rows: Rows) -> tuple[Tensor, Tensor]:
    grads = torch.tensor([row for row, _ in rows], dtype=torch.float64)
    return grads, torch.tensor([[limit] for _, limit in rows], dtype=torch.float64)


def leaf(row: Tensor) -> Tensor:
    tensor = torch.zeros_like(row, requires_grad=True)
    tensor.grad = row.clone()
    return tensor


@given(ROWS)
def test_each_row_is_scaled_as_torch_scales_it(rows: Rows) -> None:
    grads, limits = matrices(rows)
    before = grads.clone()
    norm, clipped = clip_norm(grads, limits)
    for k in range(len(rows)):
        tensor = leaf(before[k])
        expected = torch.nn.utils.clip_grad_norm_([tensor], float(limits[k]))
        torch.testing.assert_close(norm[k], expected.double(), rtol=1e-12, atol=0)
        torch.testing.assert_close(grads[k], tensor.grad, rtol=1e-12, atol=0)
        assert bool(clipped[k]) == bool(expected > limits[k])
    assert (torch.linalg.vector_norm(grads, dim=1, keepdim=True) <= limits * (1 + 1e-12)).all()


@given(ROWS)
def test_each_entry_is_cut_as_torch_cuts_it(rows: Rows) -> None:
    grads, limits = matrices(rows)
    before = grads.clone()
    norm, clipped = clip_value(grads, limits)
    for k in range(len(rows)):
        tensor = leaf(before[k])
        torch.nn.utils.clip_grad_value_([tensor], float(limits[k]))
        assert torch.equal(grads[k], tensor.grad)
        assert bool(clipped[k]) == (not torch.equal(grads[k], before[k]))
    torch.testing.assert_close(norm, torch.linalg.vector_norm(before, dim=1))


def test_a_row_that_is_no_number_leaves_the_others_as_they_are() -> None:
    for clip in (clip_norm, clip_value):
        grads = torch.tensor([[3.0, 4.0], [float("nan"), 1.0], [float("inf"), 1.0]])
        norm, clipped = clip(grads, torch.tensor([[2.5], [2.5], [2.5]]))
        assert norm[0] == 5
        assert norm[1].isnan()
        assert clipped.tolist() == [True, False, True]
        assert grads[0].isfinite().all()
        assert grads[1, 0].isnan()
