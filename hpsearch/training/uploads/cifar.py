"""The binary version of CIFAR-10 and CIFAR-100 (Krizhevsky 2009); the pickled one is refused.

A record is one label byte (CIFAR-100: two, coarse and fine) and 3072 bytes of pixels: 32×32 red,
then green, then blue, row by row. Files of training and test batches become one data set whose
side column `split` tells them apart.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hpsearch.training.uploads.archive import Archive, ArchiveMember, open_archive
from hpsearch.training.uploads.arrays import split_name_of, split_side_column
from hpsearch.training.uploads.read_options import ReadOptions, invalid_upload
from hpsearch.training.uploads.table import Table
from hpsearch.training.uploads.target import labels_in_range
from hpsearch.training.uploads.upload_format import FileStart, Format

PIXELS = 3 * 32 * 32
TEXTS = (".txt", ".html", ".md")
"""What may lie beside the batches."""

LABEL_BYTES = {"cifar10": 1, "cifar100": 2}


def read_cifar(path: Path, options: ReadOptions) -> Table:
    """Images [N, 3, 32, 32] of bytes; for CIFAR-100 the target is `fine` (default) or `coarse`.

    Raises:
        InvalidInput: naming the file that is wrong.
    """
    label_bytes = LABEL_BYTES[options.format]
    label_index, classes, names_file = _labels_of(options)
    with open_archive(path, "data.bin") as archive:
        batches = _batches(archive)
        names = _class_names(archive, names_file) or tuple(map(str, range(classes)))
        blocks = [_records(archive.read(m), m.name, label_bytes) for m in batches]
    if len(names) != classes:
        raise invalid_upload(f"{names_file} must name {classes} classes, and it names {len(names)}")
    labels, parts = [], []
    for member, block in zip(batches, blocks, strict=True):
        labels.append(
            labels_in_range(block[:, label_index].astype(np.int64), names, member.name)[0]
        )
        parts.append(split_name_of(member.parts[-1]))
    records = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
    return Table(
        x=records[:, label_bytes:].reshape(-1, 3, 32, 32),
        y=np.concatenate(labels),
        classes=names,
        side_columns=split_side_column(parts, [len(block) for block in blocks]),
    )


def _labels_of(options: ReadOptions) -> tuple[int, int, str]:
    """The label's index in a record, the number of classes, and the file of their names."""
    if options.format == "cifar10":
        return 0, 10, "batches.meta.txt"
    target = options.target or "fine"
    if target not in ("fine", "coarse"):
        raise invalid_upload(f"must be fine or coarse for CIFAR-100, got {target!r}", "target")
    return (
        (1, 100, "fine_label_names.txt") if target == "fine" else (0, 20, "coarse_label_names.txt")
    )


def _batches(archive: Archive) -> list[ArchiveMember]:
    batches = [member for member in archive.members if member.suffix not in TEXTS]
    if any(member.suffix != ".bin" for member in batches) or not batches:
        raise invalid_upload(
            "CIFAR data must be .bin files of the binary version; the Python version is pickled "
            "and never read"
        )
    return sorted(batches, key=lambda member: split_name_of(member.parts[-1]) == "test")


def _class_names(archive: Archive, file: str) -> tuple[str, ...]:
    for member in archive.members:
        if member.parts[-1] == file:
            return tuple(archive.read(member).decode("utf-8", "replace").split())
    return ()


def _records(content: bytes, name: str, label_bytes: int) -> np.ndarray:
    size = label_bytes + PIXELS
    if not content or len(content) % size:
        raise invalid_upload(
            f"{name} must hold whole records of {size} bytes, and it has {len(content)} bytes; "
            "send the whole file"
        )
    return np.frombuffer(content, np.uint8).reshape(-1, size)


def _version(archive: Archive) -> str:
    """`cifar10` or `cifar100`, by the size of the files' records."""
    sizes = [member.size_bytes for member in _batches(archive)]
    fitting = [
        version
        for version, label_bytes in LABEL_BYTES.items()
        if all(size % (label_bytes + PIXELS) == 0 for size in sizes)
    ]
    if len(fitting) != 1:
        raise invalid_upload(
            "CIFAR files must hold records of 3073 bytes (CIFAR-10) or 3074 (CIFAR-100), and "
            f"these have {', '.join(map(str, sizes[:10]))} bytes; send whole files, or name the "
            "format"
        )
    return fitting[0]


def _format(version: str) -> Format:
    def in_archive(archive: Archive) -> bool:
        is_cifar = any(
            member.suffix == ".bin" or member.parts[-1].startswith("data_batch")
            for member in archive.members
        )
        return is_cifar and _version(archive) == version

    def as_file(start: FileStart) -> bool:
        if not start.has_suffix(".bin"):
            return False
        with open_archive(start.path, start.name) as archive:
            return _version(archive) == version

    return Format(read_cifar, in_archive=in_archive, as_file=as_file)


CIFAR10 = _format("cifar10")
CIFAR100 = _format("cifar100")
