"""IDX files, the format of MNIST: images and labels, in an archive, each perhaps gzipped.

A file opens with two zero bytes, the type, and the number of dimensions; the sizes follow as
big-endian 32-bit numbers, then the values, big-endian (LeCun, Cortes & Burges, "The MNIST
database"). Where there are pairs for training and for test (t10k), the side column `split` tells
them apart.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpsearch.spec.language.messages import format_value
from hpsearch.training.uploads.archive import Archive, ArchiveMember, gunzip, open_archive
from hpsearch.training.uploads.arrays import first_bad, split_name_of, split_side_column
from hpsearch.training.uploads.read_options import ReadOptions, invalid_upload
from hpsearch.training.uploads.table import Column, Table
from hpsearch.training.uploads.target import classes_of
from hpsearch.training.uploads.upload_format import FileStart, Format

TYPES: Mapping[int, str] = {
    0x08: "u1",
    0x09: "i1",
    0x0B: ">i2",
    0x0C: ">i4",
    0x0D: ">f4",
    0x0E: ">f8",
}
"""By the third byte."""


def read_idx(path: Path, options: ReadOptions) -> Table:
    """Images [N, 1, height, width] (or rows [N, columns]) in the type of the file, with labels.

    Raises:
        InvalidInput: naming the file that is wrong.
    """
    del options
    with open_archive(path, "the file") as archive:
        images: dict[str, tuple[str, NDArray[Any]]] = {}
        labels: dict[str, tuple[str, NDArray[Any]]] = {}
        for member in archive.members:
            array = parse_idx(gunzip(archive.read(member), member.name), member.name)
            arrays = labels if array.ndim == 1 else images
            arrays[_key(member)] = (member.name, array)
    pairs = _pairs(images, labels)
    xs, ys, parts = [], [], []
    for (x_name, x), (y_name, y) in pairs:
        if len(x) != len(y):
            raise invalid_upload(
                f"images and labels must be equally many, and {x_name} has {len(x)} and {y_name} "
                f"{len(y)}; send the files that belong together"
            )
        if x.shape[1:] != pairs[0][0][1].shape[1:]:
            raise invalid_upload(
                f"images must be of one size, and those of {x_name} differ; cut them"
            )
        xs.append(x)
        ys.append(y)
        parts.append(split_name_of(x_name))
    x = xs[0] if len(xs) == 1 else np.concatenate(xs)
    all_labels = np.concatenate(ys)
    y, classes = classes_of(all_labels, "the labels")
    return Table(
        x=x[:, None] if x.ndim == 3 else x,
        y=y,
        classes=classes,
        columns=tuple(Column(f"x{i}") for i in range(x.shape[1])) if x.ndim == 2 else (),
        side_columns=split_side_column(parts, [len(part) for part in ys]),
        class_type="integer" if all_labels.dtype.kind in "iu" else "number",
    )


def parse_idx(content: bytes, name: str) -> NDArray[Any]:
    """The array that an IDX file holds, in the machine's byte order.

    Raises:
        InvalidInput: when the file is not IDX, or is cut off.
    """
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in TYPES:
        raise invalid_upload(
            f"an IDX file must open with 0, 0, a type and its dimensions, and {name} opens with "
            f"{format_value(content[:4])}; is it another format?"
        )
    kind, dimensions = np.dtype(TYPES[content[2]]), content[3]
    if not 1 <= dimensions <= 4:
        raise invalid_upload(
            f"an IDX file must have 1 to 4 dimensions, and {name} has {dimensions}"
        )
    start = 4 + 4 * dimensions
    if len(content) < start:
        raise invalid_upload(f"{name} is cut off in its header; send it again")
    shape = tuple(int(size) for size in np.frombuffer(content, ">u4", dimensions, 4))
    needed = math.prod(shape) * kind.itemsize
    if len(content) - start != needed:
        raise invalid_upload(
            f"{name} must have {needed} bytes of values for {list(shape)}, and it has "
            f"{len(content) - start}; send the whole file"
        )
    if not needed:
        raise invalid_upload(f"{name} must hold rows, and its shape is {list(shape)}")
    array = np.frombuffer(content, kind, offset=start).reshape(shape)
    array = array.astype(kind.newbyteorder("="), copy=False)
    infinite = ~np.isfinite(array)
    if infinite.any():
        row, value = first_bad(array, infinite)
        raise invalid_upload(
            f"values must be finite, and {name}, row {row} has {value:g}; correct it"
        )
    return array


def _key(member: ArchiveMember) -> str:
    """Equal for the images and labels of one pair."""
    name = re.sub(r"\.gz$", "", member.parts[-1].lower())
    return re.sub(r"images?|labels?|idx\d|[-_.]", "", name)


Named = Mapping[str, tuple[str, NDArray[Any]]]


def _pairs(
    images: Named, labels: Named
) -> list[tuple[tuple[str, NDArray[Any]], tuple[str, NDArray[Any]]]]:
    if len(images) == len(labels) == 1:
        return [(next(iter(images.values())), next(iter(labels.values())))]
    if not images or images.keys() != labels.keys():
        raise invalid_upload(
            f"IDX data must be pairs of images and labels, got {len(images)} of images and "
            f"{len(labels)} of labels; name them as train-images and train-labels"
        )
    return [(images[key], labels[key]) for key in sorted(images, reverse=True)]


def _has_idx(archive: Archive) -> bool:
    """Whether the files are called as IDX files are."""
    return any(re.search(r"idx\d|ubyte", member.name) for member in archive.members)


def _refuse_lone_file(start: FileStart) -> bool:
    first = start.first_bytes
    if first[:2] == b"\0\0" and len(first) > 2 and first[2] in TYPES:
        raise invalid_upload(
            f"{start.name} is one IDX file alone; send images and labels, or a zip of both"
        )
    return False


IDX = Format(read_idx, in_archive=_has_idx, as_file=_refuse_lone_file)
