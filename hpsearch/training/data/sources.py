"""Where the rows of a data set come from, by its name."""

from __future__ import annotations

from typing import TypeAlias

from hpsearch.errors import NotFound
from hpsearch.training.data import local_uploads
from hpsearch.training.data.builtin import READERS, BuiltIn
from hpsearch.training.data.local_uploads import LocalUpload
from hpsearch.training.uploads.table import Table

Source: TypeAlias = BuiltIn | LocalUpload
"""Equal sources have the same rows."""


def find_source(name: str, version: int | None = None) -> Source:
    """The built-in data set or the upload of a name.

    Args:
        name: of the data set.
        version: of an upload; None means the first, as specs did before there were several.

    Raises:
        NotFound: when nothing has this name, or the upload has no such version here.
    """
    if name in READERS:
        return BuiltIn(name)
    upload = local_uploads.find(name, version or 1)
    if upload is None:
        which = "" if version is None else f" in version {version}"
        raise NotFound(f"no data set is called '{name}'{which}; use one of {', '.join(READERS)}")
    return upload


def load(name: str, version: int | None = None) -> Table:
    """The rows of the data set of a name, and of an upload's version (None: the first).

    Raises:
        NotFound: when nothing has this name.
        InvalidInput: when an upload's file cannot be read.
    """
    return find_source(name, version).table()
