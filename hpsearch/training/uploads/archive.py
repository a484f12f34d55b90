"""Zip and tar files read without unpacking them to disk; what could harm is refused.

Refused are: names that lead out (absolute, `..`, drives), links and devices, encrypted files, and
archives of too many files, too many bytes, or packed too well to be data.
"""

from __future__ import annotations

import gzip
import io
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

from hpsearch.spec.language.messages import format_value
from hpsearch.training.uploads import bounds
from hpsearch.training.uploads.bounds import ArchiveLimits
from hpsearch.training.uploads.read_options import first_line, invalid_upload

DAMAGED = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, gzip.BadGzipFile,
    NotImplementedError, RuntimeError, OSError,
)  # fmt: skip
"""What the readers raise at a damaged archive."""

GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True)
class ArchiveMember:
    """A file in an archive."""

    name: str
    size_bytes: int

    @property
    def parts(self) -> tuple[str, ...]:
        """The folders it lies in and its own name."""
        return PurePosixPath(self.name).parts

    @property
    def suffix(self) -> str:
        """The ending of its name in lower case, with the dot."""
        return PurePosixPath(self.name).suffix.lower()


class Archive(Protocol):
    """A packed upload; also one file alone."""

    @property
    def members(self) -> tuple[ArchiveMember, ...]:
        """Its files in the order of their names."""
        ...

    def read(self, member: ArchiveMember) -> bytes:
        """The content of a file.

        Raises:
            InvalidInput: when it is damaged.
        """
        ...

    def open(self, member: ArchiveMember) -> MemberFile:
        """A file to be read from its beginning, unpacked no further than it is read.

        Raises:
            InvalidInput: when it is damaged.
        """
        ...


class MemberFile:
    """A file of an archive, open for reading; damage is named. The caller closes it."""

    def __init__(self, file: IO[bytes], name: str) -> None:
        self._file = file
        self._name = name

    def read(self, size_bytes: int = -1) -> bytes:
        """The next bytes, fewer only where the file ends; all that are left unless limited.

        Raises:
            InvalidInput: when it is damaged.
        """
        with _naming_damage(self._name):
            return self._file.read(size_bytes)

    def __enter__(self) -> MemberFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


class _Zip:
    def __init__(self, file: zipfile.ZipFile) -> None:
        self._file = file
        self.members = tuple(sorted(self._members(), key=lambda member: member.name))

    def _members(self) -> Iterator[ArchiveMember]:
        limits = ArchiveLimits()
        for info in self._file.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _not_a_file(info.filename)
            if info.flag_bits & 1:
                raise invalid_upload(
                    f"files must not be encrypted, and {format_value(info.filename)} is; "
                    "pack them without a password"
                )
            limits.check(info.filename, info.file_size, info.compress_size)
            if not info.is_dir() and not _is_clutter(info.filename):
                yield ArchiveMember(info.filename, info.file_size)

    def read(self, member: ArchiveMember) -> bytes:
        with self.open(member) as file:
            return file.read()

    def open(self, member: ArchiveMember) -> MemberFile:
        with _naming_damage(member.name):
            return MemberFile(self._file.open(member.name), member.name)


class _Tar:
    def __init__(self, file: tarfile.TarFile, size_bytes: int) -> None:
        self._file = file
        self._size_bytes = size_bytes
        self.members = tuple(sorted(self._members(), key=lambda member: member.name))

    def _members(self) -> Iterator[ArchiveMember]:
        limits, total = ArchiveLimits(), 0
        for info in self._file:
            if not info.isfile() and not info.isdir():
                raise _not_a_file(info.name)
            total += info.size
            limits.check(info.name, info.size, info.size)
            limits.check_ratio(info.name, total, self._size_bytes)
            if info.isfile() and not _is_clutter(info.name):
                yield ArchiveMember(info.name, info.size)

    def read(self, member: ArchiveMember) -> bytes:
        with self.open(member) as file:
            return file.read()

    def open(self, member: ArchiveMember) -> MemberFile:
        with _naming_damage(member.name):
            return MemberFile(self._file.extractfile(member.name) or io.BytesIO(), member.name)


class _Single:
    def __init__(self, path: Path, name: str) -> None:
        self._path = path
        self.members = (ArchiveMember(name, path.stat().st_size),)

    def read(self, member: ArchiveMember) -> bytes:
        del member
        return self._path.read_bytes()

    def open(self, member: ArchiveMember) -> MemberFile:
        return MemberFile(self._path.open("rb"), member.name)


@contextmanager
def open_archive(path: Path, name: str) -> Iterator[Archive]:
    """An archive, or one file as if it were in one.

    Args:
        path: where it lies.
        name: what a file alone is called.

    Raises:
        InvalidInput: when it is damaged or could harm.
    """
    if zipfile.is_zipfile(path):
        with _naming_damage("the archive"), zipfile.ZipFile(path) as file:
            yield _Zip(file)
    elif _is_gzip(path) or tarfile.is_tarfile(path):
        with _naming_damage("the archive"), tarfile.open(path, "r:*") as tar:
            yield _Tar(tar, path.stat().st_size)
    else:
        yield _Single(path, name)


def gunzip(content: bytes, name: str) -> bytes:
    """The content of a gzip file, within bounds; what is no gzip file comes back as it is."""
    if content[:2] != GZIP_MAGIC:
        return content
    most = max(bounds.FREE_BYTES, bounds.MAX_RATIO * len(content))
    most = min(most, bounds.MAX_UNPACKED_BYTES)
    with _naming_damage(name):
        unpacker = zlib.decompressobj(wbits=31)
        unpacked = unpacker.decompress(content, most)
        if unpacker.unconsumed_tail:
            raise invalid_upload(
                f"a file must unpack to at most {bounds.MAX_RATIO} times its packed size, and "
                f"{format_value(name)} goes past {most} bytes; send it unpacked"
            )
        if not unpacker.eof:
            raise EOFError("it ends too early")
        return unpacked


def is_packed(first_bytes: bytes) -> bool:
    """Whether a file that begins so (262 bytes or more tell) is a zip, a gzip or a tar file."""
    return first_bytes[:2] in (b"PK", GZIP_MAGIC) or first_bytes[257:262] == b"ustar"


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(GZIP_MAGIC)) == GZIP_MAGIC


def _is_clutter(name: str) -> bool:
    """Whether a file is what operating systems leave in folders."""
    parts = PurePosixPath(name).parts
    return any(part.startswith(".") or part == "__MACOSX" for part in parts) or parts[-1:] == (
        "Thumbs.db",
    )


@contextmanager
def _naming_damage(name: str) -> Iterator[None]:
    try:
        yield
    except DAMAGED as error:
        raise invalid_upload(
            f"{format_value(name)} must be whole, and it is damaged ({first_line(error)}); "
            "send it again"
        ) from None


def _not_a_file(name: str) -> Exception:
    return invalid_upload(
        f"an archive must hold plain files, and {format_value(name)} is a link or a device; "
        "pack the file itself"
    )
