"""Room for K members that all begin on a cache line, so that no row's bits depend on its place.

A CPU's matrix product takes another way through operands that begin off a cache line, and rounds
otherwise there. With every member on a line a trial gets the same bits in each row of each group,
and alone: what trains together is then free to follow speed.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

LINE_BYTES = 64


def aligned_empty(shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Unset numbers [K, ...] of the type and on the device of `like`; members do not overlap.

    A member is contiguous; between two there may be up to a line of unused room.
    """
    size = math.prod(shape[1:])
    line = LINE_BYTES // like.element_size()
    room = like.new_empty((shape[0], -(-size // line) * line))
    return room[:, :size].view(shape)


def align(numbers: Tensor) -> Tensor:
    """The same numbers [K, ...], copied unless each member is dense and on a line; on CPUs alone.

    A matrix may be transposed. A single row or column is copied too: its strides do not say which.
    """
    if numbers.device.type != "cpu" or _is_aligned(numbers):
        return numbers
    shape = numbers.shape
    if shape[0] > 1 and numbers.stride(0) == 0:
        return align(numbers[:1]).expand(shape)
    if len(shape) == 3 and numbers.stride(1) == 1 and shape[1] > 1:  # transposed, and stays so
        turned = numbers.transpose(1, 2)
        return aligned_empty(tuple(turned.shape), numbers).copy_(turned).transpose(1, 2)
    return aligned_empty(tuple(shape), numbers).copy_(numbers)


def _is_aligned(numbers: Tensor) -> bool:
    shape = numbers.shape
    if len(shape) == 3:
        rows, columns = shape[1:]
        if rows == 1 or columns == 1:
            return False
        if numbers.stride()[1:] not in ((columns, 1), (1, rows)):
            return False
    step = numbers.stride(0) * numbers.element_size() if shape[0] > 1 else 0
    return numbers.data_ptr() % LINE_BYTES == 0 and step % LINE_BYTES == 0


def stack_rows(rows: list[Tensor]) -> Tensor:
    """Rows [P] as one matrix [K, P]."""
    return torch.stack(rows, out=aligned_empty((len(rows), len(rows[0])), rows[0]))
