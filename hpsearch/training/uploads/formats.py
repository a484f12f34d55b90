"""The table of formats: which reader, and how a file is told to be of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast, get_args

from hpsearch.spec.language.messages import format_value
from hpsearch.spec.wire.upload import UploadFormat
from hpsearch.training.uploads.archive import Archive, open_archive
from hpsearch.training.uploads.cifar import cifar_kind, read_cifar
from hpsearch.training.uploads.idx import TYPES, has_idx, read_idx
from hpsearch.training.uploads.image_folder import has_images, read_image_folder
from hpsearch.training.uploads.npz import has_npy, read_npz
from hpsearch.training.uploads.read_options import ReadOptions, invalid_upload
from hpsearch.training.uploads.table import Table
from hpsearch.training.uploads.tabular import read_csv, read_parquet

READERS: Mapping[UploadFormat, Callable[[Path, ReadOptions], Table]] = {
    "csv": read_csv,
    "parquet": read_parquet,
    "npz": read_npz,
    "image_folder": read_image_folder,
    "idx": read_idx,
    "cifar10": read_cifar,
    "cifar100": read_cifar,
}


def read(path: Path, recipe: ReadOptions) -> Table:
    """The rows of an uploaded file.

    Raises:
        InvalidInput: saying what is wrong, and in which column and row or which file.
    """
    return READERS[recipe.format](path, recipe)


def format_of(path: Path, name: str, asked: str | None) -> UploadFormat:
    """The format of a file: the one asked for, else by its first bytes, else by its name.

    Raises:
        InvalidInput: when it is none of them.
    """
    if asked is not None:
        if asked not in get_args(UploadFormat):
            raise invalid_upload(
                f"must be one of {', '.join(READERS)}; got {format_value(asked)}", "format"
            )
        return cast(UploadFormat, asked)
    with path.open("rb") as file:
        start = file.read(512)
    if not start:
        raise invalid_upload("the file must not be empty; send one with data")
    if start[:4] == b"PAR1":
        return "parquet"
    if start[:2] in (b"PK", b"\x1f\x8b") or start[257:262] == b"ustar":
        if name.lower().endswith(".gz") and not name.lower().endswith(".tar.gz"):
            raise invalid_upload(
                f"{name} must be unpacked, or be in a zip with the files that go with it"
            )
        with open_archive(path, name) as archive:
            return _packed(archive)
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise invalid_upload(f"{name} must be UTF-8 text, and it is UTF-16; save it as UTF-8")
    if start[:2] == b"\0\0" and start[2] in TYPES:
        raise invalid_upload(
            f"{name} is one IDX file alone; send images and labels, or a zip of both"
        )
    if name.lower().endswith(".bin"):
        with open_archive(path, name) as archive:
            return cast(UploadFormat, cifar_kind(archive))
    if start[:6] == b"\x93NUMPY":
        raise invalid_upload(f"{name} is one array alone; save x and y with np.savez")
    if b"\0" in start or name.lower().endswith((".xlsx", ".xls", ".json", ".pkl", ".pickle")):
        raise _unknown(name)
    return "csv"


def _packed(archive: Archive) -> UploadFormat:
    if has_npy(archive):
        return "npz"
    if has_images(archive):
        return "image_folder"
    if has_idx(archive):
        return "idx"
    if any(m.suffix == ".bin" or m.parts[-1].startswith("data_batch") for m in archive.members):
        return cast(UploadFormat, cifar_kind(archive))
    names = ", ".join(member.name for member in archive.members[:5]) or "nothing"
    raise _unknown(f"an archive of {names}")


def _unknown(what: str) -> Exception:
    return invalid_upload(
        f"the file must be CSV, Parquet, npz, packed images in folders, MNIST IDX or CIFAR "
        f"binary, and {what} is none of them; name its `format` if it is"
    )
