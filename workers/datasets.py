"""Uploaded data sets on the worker: fetched once, named by their hash, checked before each use."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from hpsearch.errors import CorruptArtifact, StorageFull
from hpsearch.spec.wire.upload import DatasetFile
from hpsearch.training.data import local_uploads
from hpsearch.training.uploads.read_options import ReadOptions
from workers.server_api import WorkerClient

ABANDONED_SECONDS = 3600.0
"""A file that nobody has written to for so long is no longer being fetched."""

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_PART = ".part-"


class Datasets:
    """The cache of one worker; several workers of a machine may share its directory.

    Args:
        client: the server that has the data sets.
        directory: where they are cached, in a directory of their own.
    """

    def __init__(self, client: WorkerClient, directory: Path) -> None:
        self._client = client
        self._directory = directory / "datasets"
        self._checked: set[str] = set()

    def make_ready(self, dataset: DatasetFile) -> None:
        """Puts a data set where training finds it, fetching it unless it is here.

        Raises:
            CorruptArtifact: when what came is not what was uploaded.
            StorageFull: when the disk cannot take it.
        """
        path = self._directory / dataset.sha256
        if dataset.sha256 not in self._checked or not path.exists():
            if not path.exists() or _sha256(path) != dataset.sha256:
                self._fetch(dataset, path)
            self._checked.add(dataset.sha256)
        options = ReadOptions(
            dataset.format,
            dataset.target_column,
            dataset.uses,
            dataset.columns,
            dataset.class_type,
        )
        local_uploads.register(
            local_uploads.LocalUpload(
                dataset.name, path, dataset.sha256, options, version=dataset.version
            )
        )

    def _fetch(self, dataset: DatasetFile, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._clear()
            descriptor, part = tempfile.mkstemp(dir=path.parent, prefix=_PART)
            os.close(descriptor)
            try:
                sha256 = self._client.fetch_dataset(dataset.name, dataset.version, Path(part))
                if sha256 != dataset.sha256:
                    raise CorruptArtifact(
                        f"data set {dataset.name} must have the sha256 {dataset.sha256} in version "
                        f"{dataset.version}, and what came has {sha256}; upload it again"
                    )
                os.replace(part, path)
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(part)
        except OSError as error:
            if error.errno not in _FULL:
                raise
            raise StorageFull(
                f"the worker's cache {self._directory} has no room for {dataset.size_bytes} bytes "
                f"({os.strerror(error.errno or 0)}); free space and resume the study"
            ) from error

    def _clear(self) -> None:
        """Removes what workers that were killed had begun to fetch."""
        before = time.time() - ABANDONED_SECONDS
        for part in self._directory.glob(f"{_PART}*"):
            with suppress(FileNotFoundError):  # another worker may be at it
                if part.stat().st_mtime < before:
                    part.unlink()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
