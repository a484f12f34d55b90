"""NumPy's npz: arrays x and y (the target may be another), never pickled objects.

x is [N, columns], [N, height, width] or images with channels first or last. Arrays with _train,
_validation and _test behind their names are put together, and the side column `split` tells them
apart; any other array of N entries is a side column, which a split may name. `classes` may name the
classes that y counts.
"""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from hpsearch.training.uploads.archive import Archive, ArchiveMember, open_archive
from hpsearch.training.uploads.arrays import first_bad, split_side_column
from hpsearch.training.uploads.read_options import ReadOptions, invalid_upload
from hpsearch.training.uploads.table import (
    SPLIT_NAMES,
    Column,
    ColumnValues,
    Table,
    category_column,
)
from hpsearch.training.uploads.target import Target, labels_in_range, target_of
from hpsearch.training.uploads.upload_format import FileStart, Format

CHANNELS = (1, 3)
CLASSES = "classes"
MAGIC = b"\x93NUMPY"
"""What the file of a single array begins with."""


def read_npz(path: Path, options: ReadOptions) -> Table:
    """The rows of an npz file; the target is `y` unless the options name another array.

    Raises:
        InvalidInput: naming the array that is wrong.
    """
    with open_archive(path, "the file") as archive:
        arrays = {m.name.removesuffix(".npy"): _array(archive, m) for m in archive.members}
    arrays, side_columns = _join_parts(arrays)
    target = options.target or "y"
    for name in ("x", target):
        if name not in arrays:
            raise invalid_upload(
                f"must hold an array {name!r}, and there are {', '.join(arrays) or 'none'}; "
                "save it as np.savez(file, x=..., y=...)",
                "target" if name == target and options.target else "file",
            )
    x, y = arrays["x"], arrays[target]
    if len(x) == 0 or y.shape[:1] != x.shape[:1] or y.ndim > 2 or y.size != len(y):
        raise invalid_upload(
            f"x must have rows and {target} one entry for each, got {list(x.shape)} and "
            f"{list(y.shape)}"
        )
    x, columns = _features(x)
    targets, classes = _target(y.reshape(-1), arrays.get(CLASSES), target, options)
    for name, array in arrays.items():
        if name not in ("x", target, CLASSES) and array.shape == (len(x),):
            side_columns += (_values(name, array),)
    return Table(x, targets, classes, columns, side_columns)


def _array(archive: Archive, member: ArchiveMember) -> NDArray[Any]:
    """An array whose header is checked before anything of its size is made."""
    content = archive.read(member)
    file = io.BytesIO(content)
    try:
        version = npy.read_magic(file)
        header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, kind = header(file)
    except (ValueError, EOFError) as error:
        raise invalid_upload(
            f"{member.name} must be a NumPy array, and it is not ({error})"
        ) from None
    if kind.hasobject:
        raise invalid_upload(
            f"{member.name} holds Python objects, which are pickled and never read; save numbers "
            "or text (array.astype(str))"
        )
    if kind.kind not in "biufU":
        raise invalid_upload(f"{member.name} must hold numbers or text, and it holds {kind}")
    needed, present = math.prod(shape) * kind.itemsize, len(content) - file.tell()
    if needed != present:
        raise invalid_upload(
            f"{member.name} must have {needed} bytes of values for {list(shape)}, and it has "
            f"{present}; send the whole file"
        )
    return npy.read_array(io.BytesIO(content), allow_pickle=False)


def _join_parts(
    arrays: dict[str, NDArray[Any]],
) -> tuple[dict[str, NDArray[Any]], tuple[ColumnValues, ...]]:
    """Arrays of parts put together, with the side column that tells the parts apart."""
    parts = [part for part in SPLIT_NAMES if f"x_{part}" in arrays]
    if "x" in arrays or not parts:
        return arrays, ()
    stems = [name.removesuffix(f"_{parts[0]}") for name in arrays if name.endswith(f"_{parts[0]}")]
    joined = {name: array for name, array in arrays.items() if name == CLASSES}
    for stem in stems:
        blocks = [arrays.get(f"{stem}_{part}") for part in parts]
        shapes = {array.shape[1:] for array in blocks if array is not None}
        if any(array is None for array in blocks) or len(shapes) != 1:
            raise invalid_upload(
                f"{stem} must be there for {', '.join(parts)}, in rows of one shape; save all parts"
            )
        joined[stem] = np.concatenate([array for array in blocks if array is not None])
    return joined, split_side_column(parts, [len(arrays[f"x_{part}"]) for part in parts])


def _features(x: NDArray[Any]) -> tuple[NDArray[Any], tuple[Column, ...]]:
    """Rows as a table's columns or as images with channels first."""
    if x.dtype.kind == "U" or x.ndim not in (2, 3, 4) or not x.size:
        raise invalid_upload(
            "x must hold numbers of shape [rows, columns], [rows, height, width] or "
            f"[rows, channels, height, width], got {x.dtype} of {list(x.shape)}"
        )
    wrong = np.isinf(x) if x.ndim == 2 else ~np.isfinite(x)
    if wrong.any():
        row, value = first_bad(x, wrong)
        raise invalid_upload(f"values must be finite, and x, row {row} has {value:g}; correct it")
    if x.ndim == 2:
        return x.astype(np.float64), tuple(Column(f"x{i}") for i in range(x.shape[1]))
    if x.dtype.kind == "b":
        x = x.astype(np.uint8)
    if x.ndim == 3:
        return x[:, None], ()
    if x.shape[1] not in CHANNELS and x.shape[3] in CHANNELS:
        x = np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    return x, ()


def _target(
    y: NDArray[Any], classes: NDArray[Any] | None, name: str, options: ReadOptions
) -> Target:
    if classes is not None:
        if y.dtype.kind not in "iu" or classes.dtype.kind != "U" or classes.ndim != 1:
            raise invalid_upload("classes must be names, and y whole numbers that count them")
        return labels_in_range(y, tuple(map(str, classes)), name)
    use = options.uses.get(name)
    return target_of(_values(name, y), None if use == "ignore" else use, first_row=1)


def _values(name: str, array: NDArray[Any]) -> ColumnValues:
    if array.dtype.kind == "U":
        return category_column(name, array)
    values = array.astype(np.float64)
    infinite = np.isinf(values)
    if infinite.any():
        row, value = first_bad(values, infinite)
        raise invalid_upload(
            f"values must be finite, and {name}, row {row} has {value:g}; correct it"
        )
    return ColumnValues(Column(name), values)


def _has_npy(archive: Archive) -> bool:
    return any(member.suffix == ".npy" for member in archive.members)


def _refuse_lone_array(start: FileStart) -> bool:
    if start.first_bytes.startswith(MAGIC):
        raise invalid_upload(f"{start.name} is one array alone; save x and y with np.savez")
    return False


NPZ = Format(read_npz, in_archive=_has_npy, as_rest=_refuse_lone_array)
