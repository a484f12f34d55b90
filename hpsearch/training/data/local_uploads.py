"""The uploads that lie on this machine, by name: a worker puts them here before it trains."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from hpsearch.training.uploads.formats import read
from hpsearch.training.uploads.read_options import ReadOptions
from hpsearch.training.uploads.table import Table


@dataclass(frozen=True, eq=False)
class LocalUpload:
    """A file whose hash has been checked, and how to read it."""

    name: str
    path: Path
    sha256: str
    recipe: ReadOptions

    @property
    def content(self) -> str:
        """Equal for uploads that are read to the same rows."""
        return f"{self.sha256} {self.recipe.told()}"


_SHELF: dict[str, LocalUpload] = {}


def register(shelved: LocalUpload) -> None:
    """Makes an upload known under its name, in the place of what had that name before."""
    before = find(shelved.name)
    if before is None or (before.content, before.path) != (shelved.content, shelved.path):
        _SHELF[shelved.name] = shelved


def find(name: str) -> LocalUpload | None:
    """The upload of this name, if it lies here."""
    return _SHELF.get(name)


@lru_cache(maxsize=2)
def read_upload(shelved: LocalUpload) -> Table:
    """Its rows.

    Raises:
        InvalidInput: when the file cannot be read, which the server should have found.
    """
    return read(shelved.path, shelved.recipe)
