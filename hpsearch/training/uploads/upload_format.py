"""What a format of uploads is: how a file is recognised, and how it is read.

A format's module ends in its `Format`, which `hpsearch.spec.upload_formats` names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hpsearch.spec.wire.datasets import DatasetInfo
from hpsearch.training.uploads.archive import Archive
from hpsearch.training.uploads.read_options import ReadOptions
from hpsearch.training.uploads.table import Table


@dataclass(frozen=True)
class FileStart:
    """A file that is not packed, as far as it is looked at to recognise its format."""

    path: Path
    name: str
    """What its sender calls it."""
    first_bytes: bytes
    """The first 512, or all of a shorter file."""

    def has_suffix(self, *suffixes: str) -> bool:
        """Whether its name, in lower case, ends in one of these."""
        return self.name.lower().endswith(suffixes)


def _never(_: object) -> bool:
    return False


@dataclass(frozen=True)
class Format:
    """One format. Recognising may also refuse: raise InvalidInput with what to do instead.

    A file is looked at in this order: `magic`; if it is packed, `in_archive`; else `as_file`, then
    `as_rest`.
    """

    read: Callable[[Path, ReadOptions], Table]
    """The rows of a file.

    Raises:
        InvalidInput: naming the column and row, or the file, that is wrong.
    """
    describe: Callable[[Path, ReadOptions, str], DatasetInfo] | None = None
    """The record of a file, under a name, in bounded memory; None where `read` must tell.

    Raises:
        InvalidInput: naming the columns, or the row, that are wrong.
    """
    magic: bytes = b""
    """What every file of it begins with; empty where nothing tells."""
    in_archive: Callable[[Archive], bool] = _never
    """Whether an archive's files are of it."""
    as_file: Callable[[FileStart], bool] = _never
    """Whether a file that is not packed is of it."""
    as_rest: Callable[[FileStart], bool] = _never
    """Whether a file that no format recognises is taken for it; formats are asked last to first."""
