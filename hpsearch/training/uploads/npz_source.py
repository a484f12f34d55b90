"""The matrix of an npz file as a table, with its target and side arrays as further columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hpsearch.training.uploads.arrays import SPLIT, first_bad
from hpsearch.training.uploads.cells import cells_of
from hpsearch.training.uploads.npz_arrays import JoinedArray, NpzArrays
from hpsearch.training.uploads.read_options import invalid_upload
from hpsearch.training.uploads.table_source import Batch

if TYPE_CHECKING:
    import pyarrow as pa


class NpzSource:
    """The arrays of an npz file as columns, batch by batch.

    The columns of x are `x0`, `x1`, ... and have batches of their own, as have the other arrays;
    images are no columns.

    Raises:
        InvalidInput: when two columns have one name.
    """

    first_row = 1
    is_european = False
    unread: Mapping[str, str] = {}

    def __init__(self, arrays: NpzArrays) -> None:
        x = arrays.x
        self.features = (
            tuple(f"x{index}" for index in range(x.shape[1])) if len(x.shape) == 2 else ()
        )
        self._arrays = arrays
        self.singles = {
            array.name: array for array in (arrays.target, *arrays.side_arrays) if array is not None
        }
        self.names = (*self.features, *self.singles, *([SPLIT] if arrays.parts else []))
        self.notes = arrays.notes
        repeated = [name for name, count in Counter(self.names).items() if count > 1]
        if repeated:
            raise invalid_upload(
                f"column names must differ, and {repeated[0]!r} is there twice; rename an array"
            )

    def batches(self, columns: Collection[str] | None = None) -> Iterator[Batch]:
        """The cells in order; a batch holds some of the columns alone.

        Args:
            columns: the columns that are wanted; all unless given.
        """
        wanted = set(self.names if columns is None else columns)
        if wanted & set(self.features):
            for batch in self._matrix():
                yield {name: cells for name, cells in batch.items() if name in wanted}
        for name, array in self.singles.items():
            if name in wanted:
                for block in finite_blocks(array):
                    yield {name: cells_of(block.reshape(-1))}
        if SPLIT in wanted and self._arrays.parts:
            yield {SPLIT: part_cells(self._arrays.parts)}

    def _matrix(self) -> Iterator[Batch]:
        x = self._arrays.x
        if x.is_by_columns:
            row, last = 0, -1
            for index, values in x.members[0].columns():
                row = 0 if index != last else row
                check_finite("x", values, row)
                yield {self.features[index]: _numbers(values)}
                row, last = row + len(values), index
            return
        for block in finite_blocks(x):
            yield {
                name: _numbers(np.ascontiguousarray(block[:, index]))
                for index, name in enumerate(self.features)
            }


def finite_blocks(array: JoinedArray, *, needs_all: bool = False) -> Iterator[NDArray[Any]]:
    """The rows of an array in blocks.

    Args:
        array: of numbers or text.
        needs_all: whether NaN is a fault as well, as it is of pixels.

    Raises:
        InvalidInput: naming the first row that is not finite.
    """
    row = 0
    for block in array.row_blocks():
        check_finite(array.name, block, row, needs_all=needs_all)
        yield block
        row += len(block)


def check_finite(name: str, values: NDArray[Any], first: int, *, needs_all: bool = False) -> None:
    """Refuses rows [n, ...] with an infinite number, or with NaN if all are needed.

    Args:
        name: of the array.
        values: some of its rows.
        first: how many rows are before them.
        needs_all: whether NaN is a fault as well.
    """
    if values.dtype.kind != "f":
        return
    wrong = ~np.isfinite(values) if needs_all else np.isinf(values)
    if wrong.any():
        row, value = first_bad(values, wrong)
        raise invalid_upload(
            f"values must be finite, and {name}, row {first + row} has {value:g}; correct it"
        )


def part_cells(parts: Mapping[str, int]) -> pa.Array:
    """The name of each row's part, [N]."""
    import pyarrow as pa

    codes = np.repeat(np.arange(len(parts)), list(parts.values()))
    return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(list(parts)))


def _numbers(values: NDArray[Any]) -> pa.Array:
    return cells_of(values.astype(np.uint8) if values.dtype.kind == "b" else values)
