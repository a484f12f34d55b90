"""Files by key under one directory. A file is visible only when it is whole.

It is written to a draft in its directory, flushed to disk and renamed: a reader sees all of it or
nothing, also after a crash.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.orm import Session

from hpsearch.errors import CorruptArtifact, StorageFull
from hpsearch.store.checkpoints import StoredArtifact
from hpsearch.store.database import on_commit

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class StoredFile:
    """A file in the store, whether or not a row refers to it."""

    key: str
    size_bytes: int
    changed_at: float


class ArtifactStore:
    """Artifacts as files below one directory."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    def put(self, key: str, content: bytes, sha256: str | None = None) -> StoredArtifact:
        """Stores a whole file, or nothing.

        Raises:
            CorruptArtifact: when the content does not have the given `sha256`.
            StorageFull: when the disk has no room for it.
        """
        actual = hashlib.sha256(content).hexdigest()
        if sha256 is not None and sha256 != actual:
            raise CorruptArtifact(
                f"content must have the sha256 it was sent with, {sha256}, got {actual}; "
                "send it again"
            )
        with self.draft(key, len(content)) as part:
            with part.open("wb") as file:
                file.write(content)
            return self.publish(part, key, StoredArtifact(key, len(content), actual))

    @contextmanager
    def draft(self, key: str, size_bytes: int) -> Iterator[Path]:
        """An empty file to write `size_bytes` to; it is removed at the end unless it is published.

        Raises:
            StorageFull: when the disk has no room for what is written to it.
        """
        with self._storage_errors_named(size_bytes):
            descriptor, name = self._part(self.path(key).parent)
            os.close(descriptor)
            try:
                yield Path(name)
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(name)

    def publish(self, draft: Path, key: str, artifact: StoredArtifact) -> StoredArtifact:
        """Flushes a draft to disk and makes it the file of its key."""
        path = self.path(key)
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(draft, path)
        self._flush_directory(path.parent)
        return artifact

    @staticmethod
    def _part(directory: Path) -> tuple[int, str]:
        """A new file in a directory that `delete` may be removing at the same time.

        `mkdir(exist_ok=True)` itself raises FileExistsError when the directory is removed between
        its two calls to the system.
        """
        for left in reversed(range(100)):
            try:
                directory.mkdir(parents=True, exist_ok=True)
                return tempfile.mkstemp(dir=directory, prefix=".part-")
            except (FileNotFoundError, FileExistsError):
                if not left:
                    raise
        raise AssertionError("unreachable")

    def path(self, key: str) -> Path:
        """The path of an artifact's file.

        Raises:
            ValueError: when the key leads outside the store.
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

    def delete_on_commit(self, session: Session, keys: Sequence[str]) -> None:
        """Removes artifacts once a transaction has been committed; none if it is rolled back."""

        def delete_all() -> None:
            for key in keys:
                self.delete(key)

        on_commit(session, delete_all)

    def files(self) -> list[StoredFile]:
        """Every file in the store, unfinished ones too."""
        found = []
        for path in sorted(self.root.rglob("*")):
            with suppress(FileNotFoundError):  # removed since it was listed
                state = path.lstat()
                if stat.S_ISREG(state.st_mode):
                    key = path.relative_to(self.root).as_posix()
                    found.append(StoredFile(key, state.st_size, state.st_mtime))
        return found

    @contextmanager
    def _storage_errors_named(self, size_bytes: int) -> Iterator[None]:
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
