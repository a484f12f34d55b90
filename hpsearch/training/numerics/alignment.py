"""Matrices whose K rows all begin on a cache line, so that no row's bits depend on its index.

A CPU's matrix product takes another way through operands that begin off a cache line, and rounds
otherwise there. With every row on a line a trial gets the same bits in each row of each group,
and alone: what trains together is then free to follow speed.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

LINE_BYTES = 64


def aligned_empty(shape: tuple[int, ...], like: Tensor) -> Tensor:
    """An unset tensor [K, ...] of the type and on the device of `like`.

    Each of the K rows is contiguous; between two there may be up to a line of unused memory.
    """
    size = math.prod(shape[1:])
    line = LINE_BYTES // like.element_size()
    lines = like.new_empty((shape[0], -(-size // line) * line))
    return lines[:, :size].view(shape)


def align(tensor: Tensor) -> Tensor:
    """A tensor [K, ...] whose K rows are each dense and on a cache line: itself where it is so.

    Only CPUs need it; on other devices a tensor is given back as it is. Matrices [K, M, N] may be
    transposed. A single row or column is copied too: its strides do not say which it is.
    """
    if tensor.device.type != "cpu" or _is_aligned(tensor):
        return tensor
    shape = tensor.shape
    if shape[0] > 1 and tensor.stride(0) == 0:
        return align(tensor[:1]).expand(shape)
    if len(shape) == 3 and tensor.stride(1) == 1 and shape[1] > 1:  # transposed, and stays so
        turned = tensor.transpose(1, 2)
        return aligned_empty(tuple(turned.shape), tensor).copy_(turned).transpose(1, 2)
    return aligned_empty(tuple(shape), tensor).copy_(tensor)


def _is_aligned(tensor: Tensor) -> bool:
    shape = tensor.shape
    if len(shape) == 3:
        rows, columns = shape[1:]
        if rows == 1 or columns == 1:
            return False
        if tensor.stride()[1:] not in ((columns, 1), (1, rows)):
            return False
    step = tensor.stride(0) * tensor.element_size() if shape[0] > 1 else 0
    return tensor.data_ptr() % LINE_BYTES == 0 and step % LINE_BYTES == 0


def stack_rows(rows: list[Tensor]) -> Tensor:
    """K rows [P] as one matrix [K, P], each on a cache line."""
    return torch.stack(rows, out=aligned_empty((len(rows), len(rows[0])), rows[0]))
