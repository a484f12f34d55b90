"""The uploads whose files lie on this machine; a worker registers them before it trains.

The registry is the process's own: the task of a study names its data set and the version of it,
and nothing between a worker and the reader of the rows needs to know where that lies.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from hpsearch.training.uploads.formats import read
from hpsearch.training.uploads.read_options import ReadOptions
from hpsearch.training.uploads.table import Table


@dataclass(frozen=True)
class LocalUpload:
    """A file whose hash has been checked, and how to read it.

    Equal ones hold the same rows under the same name, wherever the file lies: how their columns
    are read is part of it.
    """

    name: str
    path: Path = field(compare=False)
    sha256: str
    options: ReadOptions
    version: int = 1

    def table(self) -> Table:
        """Its rows; the last two uploads that were read stay in memory.

        Raises:
            InvalidInput: when the file cannot be read, which the server should have found.
        """
        return _read(self)


_REGISTRY: dict[tuple[str, int], LocalUpload] = {}
"""By name and version."""


def register(upload: LocalUpload) -> None:
    """Makes an upload known under its name and version, in the place of what had both before."""
    _REGISTRY[upload.name, upload.version] = upload


def find(name: str, version: int = 1) -> LocalUpload | None:
    """The upload of this name and version; none where it does not lie here."""
    return _REGISTRY.get((name, version))


@lru_cache(maxsize=2)
def _read(upload: LocalUpload) -> Table:
    return read(upload.path, upload.options)
