"""A zip that is opened with care: what it says of itself is checked before anything is read.

Nothing is ever unpacked to a disk, so a name cannot lead anywhere; a zip that holds such names, or
one name twice, was not written here all the same, and other programs would be led astray by it.
"""

from __future__ import annotations

import io
import lzma
import stat
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

from hpsearch.errors import CorruptArtifact, NotFound
from hpsearch.spec.language.messages import format_value

LARGEST_RATIO = 20
"""Unpacked to packed bytes: weights hardly shrink, so more is no ensemble."""
MOST_NAMED = 20
"""Faults that are listed; more are only counted."""
ENCRYPTED = 0x1
"""Of an entry's flags."""

UNREADABLE = (
    KeyError, OSError, EOFError, ValueError, RuntimeError, OverflowError, struct.error,
    zipfile.BadZipFile, zlib.error, lzma.LZMAError,
)  # fmt: skip
"""Raised when a file is read that is missing, damaged, encrypted or packed in an unknown way."""


def open_zip(source: str | Path | bytes) -> zipfile.ZipFile:
    """Opens a zip once the size, names and kinds of its entries are checked.

    Args:
        source: its path, or its bytes.

    Raises:
        NotFound: when there is no file.
        CorruptArtifact: when it is no zip, or has entries that no ensemble has.
    """
    if isinstance(source, bytes):
        stream: io.BytesIO | Path = io.BytesIO(source)
        packed = len(source)
    else:
        stream = Path(source)
        if not stream.is_file():
            raise NotFound(
                f"an ensemble must be a directory or a zip file, and nothing is at '{source}'; "
                "download it first"
            )
        packed = stream.stat().st_size
    try:
        archive = zipfile.ZipFile(stream)
    except UNREADABLE as error:
        raise CorruptArtifact(
            f"an ensemble must be a whole zip file, but {str(error) or 'it is cut short'}; "
            "download it again"
        ) from None
    try:
        _check(archive.infolist(), packed)
    except CorruptArtifact:
        archive.close()
        raise
    return archive


def _check(entries: list[zipfile.ZipInfo], packed: int) -> None:
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > LARGEST_RATIO * packed:
        largest = max(entries, key=lambda entry: entry.file_size)
        raise CorruptArtifact(
            f"an ensemble must unpack to at most {LARGEST_RATIO} times its size, got {unpacked:,} "
            f"bytes from {packed:,}, most of them in {format_value(largest.filename)}; download "
            "it again"
        )
    if faults := list(_faults(entries)):
        raise CorruptArtifact(
            f"an ensemble's zip must hold plain files, each once, under its own place, got "
            f"{join_faults(faults, ', ')}; download it again"
        )


def _faults(entries: list[zipfile.ZipInfo]) -> Iterator[str]:
    """Each entry that no ensemble has, with the reason."""
    counts = Counter(entry.filename for entry in entries)
    for name, count in counts.items():
        if count > 1:
            yield f"{format_value(name)} ({count} times)"
    for entry in entries:
        # `orig_filename` is what the zip says, before NUL and backslashes are taken out.
        name = entry.orig_filename
        if _leads_out(name):
            yield f"{format_value(name)} (a way out)"
        elif stat.S_IFMT(entry.external_attr >> 16) == stat.S_IFLNK:
            yield f"{format_value(name)} (a link)"
        elif entry.flag_bits & ENCRYPTED:
            yield f"{format_value(name)} (encrypted)"


def _leads_out(name: str) -> bool:
    """Whether a program that unpacks it might write outside, on any system."""
    windows = PureWindowsPath(name)
    return (
        PurePosixPath(name).is_absolute()
        or bool(windows.drive or windows.root)
        or ".." in windows.parts  # both slashes divide there
        or "\0" in name
    )


def join_faults(faults: list[str], separator: str = "; ") -> str:
    """Faults as one text, the last of very many only counted."""
    more = len(faults) - MOST_NAMED
    listed = faults[:MOST_NAMED] + ([f"and {more} more"] if more > 0 else [])
    return separator.join(listed)
