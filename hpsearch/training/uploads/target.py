"""What is learned: whether a column holds classes or numbers, and what is wrong with it.

Text and truth values are classes. Whole numbers are classes when they count from 0 or 1 without
a gap, or when there are only two of them, or few: at most 20, and ten rows of each on average.
Other numbers are numbers. What a person says of the column goes before all that.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpsearch.spec.wire.upload import ColumnUse
from hpsearch.training.uploads.read_options import invalid_upload
from hpsearch.training.uploads.table import ColumnValues

MAX_CLASSES = 1000
FEW_CLASSES = 20
ROWS_OF_FEW = 10
Target = tuple[NDArray[Any], tuple[str, ...]]
"""y [N], and the names of the classes; none for numbers."""


def target_of(target: ColumnValues, use: ColumnUse | None, first_row: int) -> Target:
    """Targets y [N] and the names of the classes, none for numbers.

    Args:
        target: the column.
        use: what a person said it holds.
        first_row: what the first row is called in messages.

    Raises:
        InvalidInput: when a row has no target, or there is nothing to tell apart.
    """
    column, values = target
    if column.kind == "date":
        raise invalid_upload(
            f"{column.name} must hold classes or numbers, and it holds times", "target"
        )
    if target.missing.any():
        row = first_row + int(np.argmax(target.missing))
        raise invalid_upload(
            f"every row must have a target, and column {column.name}, row {row} has none; "
            "fill it in or take the row out",
            "target",
        )
    if column.kind == "category":
        return named_classes(values.astype(np.int64), column.categories, column.name)
    if use == "category" or (use is None and _are_labels(values)):
        return classes_of(values, column.name)
    if values.min() == values.max():
        raise invalid_upload(
            f"a target must vary, and every row of {column.name} has {values[0]:g}; "
            "choose another column",
            "target",
        )
    return values.astype(np.float64), ()


def _are_labels(values: NDArray[np.float64]) -> bool:
    if not np.array_equal(values, np.floor(values)):
        return False
    different = np.unique(values)
    count = len(different)
    is_counted = different[0] in (0, 1) and different[-1] - different[0] == count - 1
    return (
        (is_counted and count <= MAX_CLASSES)
        or count <= 2
        or (count <= FEW_CLASSES and count * ROWS_OF_FEW <= len(values))
    )


def classes_of(labels: NDArray[Any], name: str) -> Target:
    """Classes from numbers [N], in ascending order and named as they are written."""
    different, codes = np.unique(labels, return_inverse=True)
    names = tuple(f"{number:.17g}" for number in different.tolist())
    return _checked(codes.astype(np.int64).reshape(-1), names, name)


def named_classes(codes: NDArray[np.int64], names: tuple[str, ...], name: str) -> Target:
    """Classes from codes [N] into names; names that no row has are left out."""
    used, new_codes = np.unique(codes, return_inverse=True)
    used_names = tuple(names[code] for code in used.tolist())
    return _checked(new_codes.astype(np.int64).reshape(-1), used_names, name)


def labels_in_range(labels: NDArray[Any], names: tuple[str, ...], where: str) -> Target:
    """Classes from labels [N] that index a list of names; also names that no row has are classes.

    Raises:
        InvalidInput: naming the first row whose label is none.
    """
    outside = (labels < 0) | (labels >= len(names))
    if outside.any():
        row = int(np.argmax(outside))
        raise invalid_upload(
            f"{where}: a label must be between 0 and {len(names) - 1}, and row {row + 1} has "
            f"{labels[row]}; correct it, or name all classes"
        )
    if len(np.unique(labels)) < 2:
        raise _one_class(where, names[int(labels[0])])
    return labels.astype(np.int64), names


def _checked(codes: NDArray[np.int64], names: tuple[str, ...], name: str) -> Target:
    if len(names) < 2:
        raise _one_class(name, names[0])
    if len(names) > MAX_CLASSES:
        raise invalid_upload(
            f"a target must have at most {MAX_CLASSES} classes, and {name} has {len(names)}; "
            f'if it holds numbers, write them as such, or say columns={{"{name}": "number"}}',
            "target",
        )
    return codes, names


def _one_class(name: str, only: str) -> Exception:
    return invalid_upload(
        f"a target must have at least two classes, and every row of {name} is {only!r}; "
        "choose another column or add rows of other classes",
        "target",
    )
