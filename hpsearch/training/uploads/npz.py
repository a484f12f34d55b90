"""NumPy's npz: arrays x and y (the target may be another), never pickled objects.

x is [N, columns], [N, height, width] or images with channels first or last. Arrays with _train,
_validation and _test behind their names are put together, and the side column `split` tells them
apart; any other array of N entries is a side column, which a split may name. `classes` may name the
classes that y counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpsearch.errors import FieldError, InvalidInput
from hpsearch.spec.wire.datasets import DatasetInfo
from hpsearch.spec.wire.upload import ColumnInfo, ColumnReading, ColumnUse
from hpsearch.training.uploads.archive import Archive, open_archive
from hpsearch.training.uploads.column_reader import ColumnReader
from hpsearch.training.uploads.decisions import DecisionContext, decide
from hpsearch.training.uploads.npz_arrays import JoinedArray, NpzArrays, npz_arrays
from hpsearch.training.uploads.npz_source import NpzSource, check_finite, finite_blocks
from hpsearch.training.uploads.read_options import ReadOptions, invalid_upload
from hpsearch.training.uploads.table import Column, Table
from hpsearch.training.uploads.table_reader import (
    TargetValues,
    check_cells,
    column_values,
    missing_target,
    target_values,
)
from hpsearch.training.uploads.tabular import survey_columns
from hpsearch.training.uploads.target import labels_in_range
from hpsearch.training.uploads.target_rules import Target
from hpsearch.training.uploads.upload_format import FileStart, Format

CHANNELS = (1, 3)
MAGIC = b"\x93NUMPY"
"""What the file of a single array begins with."""


def read_npz(path: Path, options: ReadOptions) -> Table:
    """The rows of an npz file; the target is `y` unless the options name another array.

    Raises:
        InvalidInput: naming the array that is wrong.
    """
    columns, class_type = options.columns, options.class_type
    if not columns:
        info = describe_npz(path, options, "file")
        columns, class_type = info.columns, info.class_type
    with _open(path, options) as arrays:
        source = NpzSource(arrays)
        target = arrays.target
        if target is None:
            raise missing_target()
        readers = {
            info.name: ColumnReader(info, source.first_row)
            for info in columns
            if info.reading is not None and info.name in source.names
            if info.name not in source.features
        }
        values: dict[str, list[NDArray[np.float64]]] = {name: [] for name in readers}
        for batch in source.batches(readers):
            for name, cells in batch.items():
                values[name].append(readers[name].values(cells))
        check_cells(readers.values())
        read = {name: column_values(reader, values[name]) for name, reader in readers.items()}
        if arrays.classes:
            y, classes = labels_in_range(
                target.whole(np.dtype(np.int64)).reshape(-1), arrays.classes, target.name
            )
            learned = TargetValues(y, classes, "text")
        elif target.name in read:
            learned = target_values(readers[target.name], read[target.name], class_type)
        else:
            raise missing_target()
        return Table(
            _rows(arrays),
            learned.y,
            learned.classes,
            tuple(Column(name) for name in source.features),
            tuple(column for name, column in read.items() if name != target.name),
            learned.class_type,
        )


def describe_npz(path: Path, options: ReadOptions, name: str) -> DatasetInfo:
    """The record of an npz file, from one pass through the arrays that are read.

    Raises:
        InvalidInput: naming the array that is wrong.
    """
    with _open(path, options) as arrays:
        source = NpzSource(arrays)
        if arrays.is_image:
            for _ in finite_blocks(arrays.x, needs_all=True):
                pass  # each block is looked at as it goes by
        # Where classes have names, the target counts them, and nothing is to be decided.
        target = None if arrays.target is None or arrays.classes else arrays.target.name
        surveys = survey_columns(source, target, _uses(options, source))
        decisions = decide(
            surveys,
            DecisionContext(source.first_row, needs_features=not arrays.is_image),
        )
        learned = decisions.classes
        if arrays.classes and arrays.target is not None:
            learned = _counted(arrays.target, arrays.classes)
        return DatasetInfo(
            name=name,
            rows=arrays.x.shape[0],
            features=_features(arrays.x.shape),
            target="classes" if arrays.classes else decisions.target,
            classes=len(learned.class_names),
            class_names=learned.class_names,
            class_rows=learned.class_rows,
            class_type=learned.class_type,
            columns=tuple(_column(info, source, arrays) for info in decisions.columns),
            warnings=(*source.notes, *decisions.warnings),
        )


def _column(info: ColumnInfo, source: NpzSource, arrays: NpzArrays) -> ColumnInfo:
    """What an array, or a column of x, is: x is learned from as a whole, others may split it."""
    changed: dict[str, Any] = {}
    if info.name in source.features:
        changed = {"role": "feature", "reading": ColumnReading(kind="number")}
    elif arrays.classes and arrays.target is not None and info.name == arrays.target.name:
        changed = {"role": "target", "kind": "category", "why": "counts the array of classes"}
    elif info.role == "feature":
        changed = {"role": "ignored", "why": "an array beside x, which may split the rows"}
    return info.model_copy(update=changed)


def _counted(target: JoinedArray, names: tuple[str, ...]) -> Target:
    """The classes that an array of labels counts.

    Raises:
        InvalidInput: naming the first row whose label is none.
    """
    labels = target.whole(np.dtype(np.int64)).reshape(-1)
    labels_in_range(labels, names, target.name)
    return Target(names, tuple(np.bincount(labels, minlength=len(names)).tolist()), "text")


def _uses(options: ReadOptions, source: NpzSource) -> dict[str, ColumnUse]:
    """What each column holds: those of x numbers, side arrays what was said of them."""
    errors = [
        FieldError(f"columns.{name}", "must be number, as x holds numbers alone; leave it out")
        for name, use in options.uses.items()
        if name in source.features and use != "number"
    ]
    errors += [
        FieldError(
            f"columns.{name}",
            f"no array is called so; beside x there are {', '.join(source.singles) or 'none'}",
        )
        for name in options.uses
        if name not in source.names
    ]
    if errors:
        raise InvalidInput(errors)
    return {**dict.fromkeys(source.features, "number"), **options.uses}


@contextmanager
def _open(path: Path, options: ReadOptions) -> Iterator[NpzArrays]:
    with open_archive(path, "the file") as archive:
        yield npz_arrays(archive, options)


def _rows(arrays: NpzArrays) -> NDArray[Any]:
    """Rows as a table's columns in float64, or as images with channels first in their own type."""
    x = arrays.x
    if len(x.shape) == 2:
        rows = x.whole(np.dtype(np.float64))
        check_finite(x.name, rows, 0)
        return rows
    rows = x.whole(np.dtype(np.uint8) if x.dtype.kind == "b" else x.dtype)
    check_finite(x.name, rows, 0, needs_all=True)
    if len(x.shape) == 3:
        return rows[:, None]
    if _is_channels_last(x.shape):
        return np.ascontiguousarray(rows.transpose(0, 3, 1, 2))
    return rows


def _features(shape: Sequence[int]) -> tuple[int, ...]:
    """The shape of a row once channels come first."""
    if len(shape) == 2:
        return (shape[1],)
    if len(shape) == 3:
        return (1, *shape[1:])
    return (shape[3], *shape[1:3]) if _is_channels_last(shape) else tuple(shape[1:])


def _is_channels_last(shape: Sequence[int]) -> bool:
    return len(shape) == 4 and shape[1] not in CHANNELS and shape[3] in CHANNELS


def _has_npy(archive: Archive) -> bool:
    return any(member.suffix == ".npy" for member in archive.members)


def _refuse_lone_array(start: FileStart) -> bool:
    if start.first_bytes.startswith(MAGIC):
        raise invalid_upload(f"{start.name} is one array alone; save x and y with np.savez")
    return False


NPZ = Format(read_npz, describe_npz, in_archive=_has_npy, as_rest=_refuse_lone_array)
