"""Files by key under one directory. A file is there only when whole.

It is written beside its place, flushed to disk and renamed: a reader sees all of it or nothing,
and so does whoever looks after a crash.
"""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hpsearch.errors import CorruptArtifact, StorageFull
from hpsearch.store.checkpoints import StoredArtifact

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class ArtifactStore:
    """Artifacts on a disk."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    def put(self, key: str, content: bytes, sha256: str | None = None) -> StoredArtifact:
        """Stores a whole file, or nothing.

        Raises:
            CorruptArtifact: when the content is not what `sha256` says.
            StorageFull: when the disk cannot take it.
        """
        found = hashlib.sha256(content).hexdigest()
        if sha256 is not None and sha256 != found:
            raise CorruptArtifact(
                f"content must have the sha256 it was sent with, {sha256}, got {found}; "
                "send it again"
            )
        path = self.path(key)
        with self._room_named(len(content)):
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".part-")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(name, path)
            except BaseException:
                with suppress(FileNotFoundError):
                    os.unlink(name)
                raise
            self._flush_directory(path.parent)
        return StoredArtifact(key, len(content), found)

    def path(self, key: str) -> Path:
        """Where an artifact lies.

        Raises:
            ValueError: when the key leads out of the store.
        """
        path = (self.root / key).resolve()
        if not path.is_relative_to(self.root.resolve()):
            raise ValueError(f"an artifact key must stay inside the store, got {key!r}")
        return path

    def delete(self, key: str) -> None:
        """Removes an artifact, if it is there."""
        path = self.path(key)
        path.unlink(missing_ok=True)
        for parent in path.parents:
            if parent == self.root.resolve():
                break
            try:
                parent.rmdir()
            except OSError:
                break

    @contextmanager
    def _room_named(self, size_bytes: int) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in _FULL:
                raise
            raise StorageFull(
                f"the artifact store {self.root} has no room for {size_bytes} bytes "
                f"({os.strerror(error.errno or 0)}); free space and resume the study"
            ) from error

    @staticmethod
    def _flush_directory(directory: Path) -> None:
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
