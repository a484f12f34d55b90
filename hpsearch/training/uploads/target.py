"""The classes of formats whose labels come beside the rows: images in folders, IDX, CIFAR, npz."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hpsearch.spec.language.messages import format_value
from hpsearch.training.uploads.cells import cell_texts
from hpsearch.training.uploads.read_options import invalid_upload
from hpsearch.training.uploads.target_rules import MAX_CLASSES

Labels: TypeAlias = tuple[NDArray[np.int64], tuple[str, ...]]
"""The class of each row [N], as its position among the names of the classes."""


def classes_of(labels: NDArray[Any], name: str) -> Labels:
    """Classes from numbers [N], in ascending order and named as they are written."""
    import pyarrow as pa

    different, codes = np.unique(labels, return_inverse=True)
    names = tuple(cell_texts(pa.array(different)).to_pylist())
    return _checked(codes.astype(np.int64).reshape(-1), names, name)


def named_classes(codes: NDArray[np.int64], names: tuple[str, ...], name: str) -> Labels:
    """Classes from codes [N] into names; names that no row has are left out."""
    used, new_codes = np.unique(codes, return_inverse=True)
    used_names = tuple(names[code] for code in used.tolist())
    return _checked(new_codes.astype(np.int64).reshape(-1), used_names, name)


def labels_in_range(labels: NDArray[Any], names: tuple[str, ...], where: str) -> Labels:
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


def _checked(codes: NDArray[np.int64], names: tuple[str, ...], name: str) -> Labels:
    if len(names) < 2:
        raise _one_class(name, names[0])
    if len(names) > MAX_CLASSES:
        raise invalid_upload(
            f"a target must have at most {MAX_CLASSES} classes, and {name} has {len(names)}; "
            "choose another",
            "target",
        )
    return codes, names


def _one_class(name: str, only: str) -> Exception:
    return invalid_upload(
        f"a target must have at least two classes, and every row of {name} is "
        f"{format_value(only)}; "
        "choose another column or add rows of other classes",
        "target",
    )
