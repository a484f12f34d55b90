"""An ensemble as one file or one directory: a manifest, and beside it the weights of its models.

    manifest.json
    parts/trial-3-epoch-9.safetensors

The file is a zip without compression; the same ensemble makes the same bytes. A directory with the
same files is read as well. Nothing is unpacked to disk, and nothing is read but the files that the
manifest names, each checked by its hash.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from hpsearch.ensemble_builder import manifest as manifests
from hpsearch.ensemble_builder.manifest import Manifest, PartEntry
from hpsearch.ensemble_builder.zip_safety import UNREADABLE, open_zip
from hpsearch.errors import CorruptArtifact

LARGEST_MANIFEST = 64 * 2**20
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The date of every entry: the earliest that a zip can have."""


class Files(Protocol):
    """An ensemble's files by name."""

    def size(self, name: str) -> int:
        """A file's size in bytes; KeyError where there is no such file."""
        ...

    def read(self, name: str) -> bytes:
        """A file's content; KeyError where there is no such file."""
        ...


def write(manifest: Manifest, parts: Mapping[str, bytes]) -> bytes:
    """The zip of a manifest and the files that it names."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, content in sorted({manifests.NAME: manifests.write(manifest), **parts}.items()):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.create_system = 3  # Unix on every system, for the same bytes
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
    return stream.getvalue()


class EnsembleArchive(AbstractContextManager["EnsembleArchive"]):
    """An ensemble's files, to be closed after use.

    Args:
        source: the path of the zip or of the directory, or the zip's bytes.

    Raises:
        NotFound: when nothing is there.
        CorruptArtifact: when it is no ensemble.
    """

    manifest: Manifest

    def __init__(self, source: str | Path | bytes) -> None:
        self._zip: zipfile.ZipFile | None = None
        if not isinstance(source, bytes) and Path(source).is_dir():
            self._files: Files = _DirectoryFiles(Path(source))
        else:
            self._zip = open_zip(source)
            self._files = _ZipFiles(self._zip)
        try:
            self.manifest = self._manifest()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the zip."""
        if self._zip is not None:
            self._zip.close()

    def read_part(self, part: PartEntry) -> bytes:
        """The content of a file of weights.

        Raises:
            CorruptArtifact: when it is missing, or its content does not match its hash.
        """
        try:
            content = self._files.read(part.file)
        except KeyError:
            raise CorruptArtifact(f"{part.file} is missing; download the ensemble again") from None
        except UNREADABLE as error:
            raise CorruptArtifact(
                f"{part.file} cannot be read ({error}); download the ensemble again"
            ) from None
        if (actual := sha256(content).hexdigest()) != part.sha256:
            raise CorruptArtifact(
                f"{part.file} must have the sha256 {part.sha256[:12]}…, got {actual[:12]}…; "
                "download the ensemble again"
            )
        return content

    def _manifest(self) -> Manifest:
        size, content = 0, None
        with suppress(*UNREADABLE):
            size = self._files.size(manifests.NAME)
            content = self._files.read(manifests.NAME) if size <= LARGEST_MANIFEST else None
        if content is None:
            raise CorruptArtifact(
                f"an ensemble must hold a whole {manifests.NAME} of at most {LARGEST_MANIFEST:,} "
                f"bytes, got {f'{size:,} bytes' if size else 'none'}; download the ensemble again"
            )
        return manifests.read(content)


class _ZipFiles:
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    def size(self, name: str) -> int:
        return self._archive.getinfo(name).file_size

    def read(self, name: str) -> bytes:
        return self._archive.read(name)


class _DirectoryFiles:
    def __init__(self, root: Path) -> None:
        self._root = root

    def size(self, name: str) -> int:
        return self._file(name).stat().st_size

    def read(self, name: str) -> bytes:
        return self._file(name).read_bytes()

    def _file(self, name: str) -> Path:
        path = self._root / name
        if not path.is_file():
            raise KeyError(name)
        return path
