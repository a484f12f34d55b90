"""Where each named tensor of a model lies in the one matrix that holds a group's numbers.

K   trials of a group            P   numbers of one trial
A matrix [K, P] holds one trial per row: weights, gradients, and every state of an optimizer. A
named tensor is a run of its columns, seen as [K, *shape]: writing to the view writes to the
matrix. Whole-model arithmetic (an optimizer's step, clipping, averages) works on the matrix and
costs as many tensor operations for one tensor as for a hundred.

Names are dotted paths, outermost first: `layers.0.weight`, `layers.0.norm.scale`, `output.bias`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Entry:
    """One named tensor of one trial: columns `offset` to `offset + size`."""

    name: str
    shape: tuple[int, ...]
    offset: int
    unit: int | None = None
    """Of a weight, the axis of the units that it leads into; none for biases, scales and so on."""

    @property
    def size(self) -> int:
        """How many numbers it holds; 1 for a scalar (shape [])."""
        return math.prod(self.shape)

    @property
    def columns(self) -> slice:
        """Its columns in a matrix [K, P]."""
        return slice(self.offset, self.offset + self.size)

    def view(self, matrix: Tensor) -> Tensor:
        """Its part of a matrix [K, P] as [K, *shape], sharing memory."""
        return matrix[:, self.columns].view(matrix.shape[0], *self.shape)


@dataclass(frozen=True)
class Layout:
    """The tensors of one trial in the order of their columns; equal layouts compare equal."""

    entries: tuple[Entry, ...]

    @classmethod
    def of(
        cls, shapes: Mapping[str, tuple[int, ...]], units: Mapping[str, int] | None = None
    ) -> Layout:
        """Lays tensors out one after another, in the order given, without gaps.

        Args:
            shapes: by name.
            units: the axis of the units that a weight leads into, by name; none takes that of our
                own models, [inputs, outputs] or [outputs, inputs, height, width].
        """
        entries, offset = [], 0
        for name, shape in shapes.items():
            unit = _own_unit(name, shape) if units is None else units.get(name)
            entry = Entry(name, tuple(shape), offset, unit)
            entries.append(entry)
            offset += entry.size
        return cls(tuple(entries))

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __getitem__(self, name: str) -> Entry:
        for entry in self.entries:
            if entry.name == name:
                return entry
        raise KeyError(name)

    @property
    def names(self) -> tuple[str, ...]:
        """The tensors' names, in the order of their columns."""
        return tuple(entry.name for entry in self.entries)

    @property
    def size(self) -> int:
        """P, the numbers of one trial."""
        return sum(entry.size for entry in self.entries)

    def views(self, matrix: Tensor) -> dict[str, Tensor]:
        """Every tensor of a matrix [K, P] as [K, *shape], sharing its memory.

        Raises:
            ValueError: when the matrix does not have P columns.
        """
        if matrix.dim() != 2 or matrix.shape[1] != self.size:
            raise ValueError(
                f"a matrix of this layout must be [K, {self.size}], got {list(matrix.shape)}; "
                "use the layout that the matrix was made with"
            )
        return {entry.name: entry.view(matrix) for entry in self.entries}

    def columns(
        self,
        factor: Callable[[str], float],
        *,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str = "cpu",
    ) -> Tensor:
        """A number per column, [P]: `factor(name)` for each tensor, repeated over its columns."""
        row = torch.empty(self.size, dtype=dtype)
        for entry in self.entries:
            row[entry.columns] = factor(entry.name)
        return row.to(device)


def _own_unit(name: str, shape: tuple[int, ...]) -> int | None:
    if not name.endswith("weight") or len(shape) < 2:
        return None
    return 1 if len(shape) == 2 else 0
