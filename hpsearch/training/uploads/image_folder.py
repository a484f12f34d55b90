"""A packed folder of images: one folder for each class, perhaps below train, validation, test.

All images have one size. Those in grey have one channel; as soon as one is in colour, all have
three. Transparency is left out.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpsearch.training.uploads import bounds
from hpsearch.training.uploads.archive import Archive, ArchiveMember, open_archive
from hpsearch.training.uploads.arrays import SPLIT
from hpsearch.training.uploads.read_options import ReadOptions, first_line, invalid_upload
from hpsearch.training.uploads.table import SPLIT_NAMES, ColumnValues, Table, category_column
from hpsearch.training.uploads.target import named_classes
from hpsearch.training.uploads.upload_format import Format

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "PPM", "WEBP")
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".ppm", ".pgm", ".webp")
GREY = ("1", "L")


def read_image_folder(path: Path, options: ReadOptions) -> Table:
    """Images [N, channels, height, width] of bytes; classes are the folders' names.

    Raises:
        InvalidInput: naming the file that is wrong.
    """
    del options
    with open_archive(path, "the file") as archive:
        members = _images(archive)
        folders = np.array([_folder(member) for member in members])
        x = _stack(archive, members)
    labels = category_column("folders", folders)
    y, classes = named_classes(
        labels.values.astype(np.int64), labels.categories, "the archive's folders"
    )
    return Table(x, y, classes, side_columns=_side_columns(members))


def _images(archive: Archive) -> list[ArchiveMember]:
    images = [member for member in archive.members if member.suffix in SUFFIXES]
    if not images:
        raise invalid_upload(
            f"an image folder must hold images ({', '.join(SUFFIXES)}), and it has none"
        )
    return images


def _folder(member: ArchiveMember) -> str:
    if len(member.parts) < 2:
        raise invalid_upload(
            f"an image must lie in a folder named after its class, and {member.name} lies in "
            "none; pack folders"
        )
    return member.parts[-2]


def _side_columns(members: list[ArchiveMember]) -> tuple[ColumnValues, ...]:
    parts = [member.parts[-3] if len(member.parts) > 2 else "" for member in members]
    if set(parts) <= set(SPLIT_NAMES) and len(set(parts)) > 1 and "train" in parts:
        return (category_column(SPLIT, np.array(parts)),)
    return ()


def _stack(archive: Archive, members: list[ArchiveMember]) -> NDArray[np.uint8]:
    images: NDArray[np.uint8] | None = None
    size: tuple[int, int] | None = None
    for index, member in enumerate(members):
        image = _decoded(archive.read(member), member.name, size)
        size = image.shape[1:]
        if images is None:
            images = _allocate(len(members), image)
        if len(image) > len(images[0]):  # the first in colour
            images = np.repeat(images, 3, axis=1)
        images[index] = image
    if images is None:
        raise invalid_upload("an image folder must hold images, and it has none")
    return images


def _allocate(count: int, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    needed = 3 * count * image[0].size
    if needed > bounds.MAX_UNPACKED_BYTES:
        raise invalid_upload(
            f"images must unpack to at most {bounds.MAX_UNPACKED_BYTES} bytes, and {count} of "
            f"{image.shape[1]}×{image.shape[2]} pixels may take {needed}; make them smaller"
        )
    return np.zeros((count, *image.shape), dtype=np.uint8)


def _decoded(content: bytes, name: str, size: Any) -> NDArray[np.uint8]:
    """Pixels [channels, height, width]; the size is checked before anything is decoded."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            shape = (image.height, image.width)
            if size is not None and shape != size:
                raise invalid_upload(
                    f"images must be of one size, and {name} is {shape[1]}×{shape[0]} where "
                    f"others are {size[1]}×{size[0]}; cut or scale them"
                )
            if shape[0] * shape[1] > 1 << 24:
                raise invalid_upload(
                    f"an image must have at most {1 << 24} pixels, and {name} has "
                    f"{shape[1]}×{shape[0]}; scale it down"
                )
            if image.mode.startswith(("I", "F")):
                raise invalid_upload(
                    f"images must have 8 bits a channel, and {name} has more; convert it"
                )
            if image.mode in GREY:
                return np.asarray(image.convert("L"))[None]
            return np.asarray(image.convert("RGB")).transpose(2, 0, 1)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise invalid_upload(
            f"{name} must be a whole image, and it cannot be decoded "
            f"({first_line(error)}); send it again"
        ) from None


def _has_images(archive: Archive) -> bool:
    return any(member.suffix in SUFFIXES for member in archive.members)


IMAGE_FOLDER = Format(read_image_folder, in_archive=_has_images)
