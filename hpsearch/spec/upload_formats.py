"""The formats in which a data set may be uploaded: the one table of their names.

A new format is a line in UPLOAD_FORMATS and the `Format` that its `implementation` names: how a
file is recognised and read. What the API accepts, the sentence about a file of no known format, the
command line's help and the section of docs/catalogue.md are made from the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hpsearch.spec.language.messages import alternatives


@dataclass(frozen=True)
class UploadFormat:
    """A row of the table."""

    name: str
    label: str
    """What people call it."""
    description: str
    """What a file of it holds, and what may be chosen."""
    implementation: str
    """`module:name` of its `hpsearch.training.uploads.upload_format.Format`."""


_READERS = "hpsearch.training.uploads"

UPLOAD_FORMATS: Mapping[str, UploadFormat] = {
    row.name: row
    for row in (
        UploadFormat("csv", "CSV",
                     "UTF-8 text with a header (UTF-16 with its mark); fields separated by commas, "
                     "semicolons, tabs or |. `target` names the column to learn.",
                     f"{_READERS}.csv_text:CSV"),
        UploadFormat("parquet", "Parquet",
                     "A table whose columns know their types. `target` names the column to learn.",
                     f"{_READERS}.parquet:PARQUET"),
        UploadFormat("npz", "npz",
                     "NumPy arrays `x` and `y`, perhaps with `_train`, `_validation` and `_test` "
                     "behind their names. `target` may name another array than `y`.",
                     f"{_READERS}.npz:NPZ"),
        UploadFormat("image_folder", "packed images in folders",
                     "A zip or tar with one folder of images for each class.",
                     f"{_READERS}.image_folder:IMAGE_FOLDER"),
        UploadFormat("idx", "MNIST IDX",
                     "Images and labels as MNIST has them: two files, or a zip or tar.",
                     f"{_READERS}.idx:IDX"),
        UploadFormat("cifar10", "CIFAR binary",
                     "Batches of CIFAR-10's binary version, packed or one alone.",
                     f"{_READERS}.cifar:CIFAR10"),
        UploadFormat("cifar100", "CIFAR binary",
                     "Batches of CIFAR-100's binary version; `target` is `fine` (the default) or "
                     "`coarse`.",
                     f"{_READERS}.cifar:CIFAR100"),
    )
}  # fmt: skip
"""Where a new format is entered. A file is tried against them in this order."""


def upload_format_labels() -> str:
    """What people call the formats: `CSV, Parquet, ... or CIFAR binary`."""
    return alternatives(dict.fromkeys(row.label for row in UPLOAD_FORMATS.values()))
