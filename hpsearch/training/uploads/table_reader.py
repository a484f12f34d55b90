"""The rows of a table as numbers, by how its columns were decided to be read.

Beside what comes of it, one batch of the file is in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpsearch.errors import InvalidInput
from hpsearch.spec.wire.upload import ClassType, ColumnInfo
from hpsearch.training.uploads.column_reader import ColumnReader
from hpsearch.training.uploads.read_options import invalid_upload
from hpsearch.training.uploads.row_buffer import RowBuffer
from hpsearch.training.uploads.table import ColumnValues, Table
from hpsearch.training.uploads.table_source import TableSource


def read_table(source: TableSource, columns: Sequence[ColumnInfo], class_type: ClassType) -> Table:
    """The rows of a table: features, target, and columns that a split may name.

    Args:
        source: the file.
        columns: what its columns are, as was decided; what has no reading is left out.
        class_type: of the values that classes stand for, as was decided.

    Raises:
        InvalidInput: naming all columns with a cell that is not of their kind, or the file's
            faulty row.
    """
    readers = [ColumnReader(info, source.first_row) for info in columns if info.reading is not None]
    features = [reader for reader in readers if reader.info.role == "feature"]
    others = [reader for reader in readers if reader.info.role != "feature"]
    buffer = RowBuffer(len(features))
    values: dict[str, list[NDArray[np.float64]]] = {reader.info.name: [] for reader in others}
    for batch in source.batches({reader.info.name for reader in readers}):
        if features:
            buffer.append(
                np.column_stack([reader.values(batch[reader.info.name]) for reader in features])
            )
        for reader in others:
            values[reader.info.name].append(reader.values(batch[reader.info.name]))
    check_cells(readers)
    x = buffer.rows()
    for index, reader in enumerate(features):
        reader.rank(x[:, index])
    sides, target = [], None
    for reader in others:
        column = column_values(reader, values.pop(reader.info.name))
        if reader.info.role == "target":
            target = target_values(reader, column, class_type)
        else:
            sides.append(column)
    if target is None:
        raise missing_target()
    return Table(
        x,
        target.y,
        target.classes,
        tuple(reader.column() for reader in features),
        tuple(sides),
        target.class_type,
    )


class TargetValues(NamedTuple):
    """What is learned."""

    y: NDArray[Any]
    """[N]: int64 for classes, float64 for numbers."""
    classes: tuple[str, ...]
    """Their names; none for numbers."""
    class_type: ClassType


def target_values(
    reader: ColumnReader, column: ColumnValues, class_type: ClassType
) -> TargetValues:
    """The target from its column, all of which has been read.

    Args:
        reader: which has read it.
        column: its values.
        class_type: of the values that classes stand for.

    Raises:
        InvalidInput: when a row has none.
    """
    if column.missing.any():
        raise invalid_upload(
            f"every row must have a target, and column {column.name}, row "
            f"{reader.first_row + int(np.argmax(column.missing))} has none; fill it in or take "
            "the row out",
            "target",
        )
    if not reader.is_category:
        return TargetValues(column.values, (), "text")
    return TargetValues(column.values.astype(np.int64), column.categories, class_type)


def column_values(reader: ColumnReader, values: Sequence[NDArray[np.float64]]) -> ColumnValues:
    """A column of which all cells have been read, from what came of its batches."""
    joined = np.concatenate([np.empty(0), *values])
    reader.rank(joined)
    return ColumnValues(reader.column(), joined)


def check_cells(readers: Iterable[ColumnReader]) -> None:
    """Refuses cells that could not be read.

    Raises:
        InvalidInput: naming each column with its first faulty row.
    """
    if faults := [reader.fault for reader in readers if reader.fault is not None]:
        raise InvalidInput(faults)


def missing_target() -> InvalidInput:
    """The error of a file that is to be learned from and whose target is not named."""
    return invalid_upload("must name the column to learn", "target")
