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


def find_source(name: str) -> Source:
    """The built-in data set or the upload of a name.

    Raises:
        NotFound: when nothing has this name.
    """
    if name in READERS:
        return BuiltIn(name)
    upload = local_uploads.find(name)
    if upload is None:
        raise NotFound(f"no data set is called '{name}'; use one of {', '.join(READERS)}")
    return upload


def load(name: str) -> Table:
    """The rows of the data set of a name.

    Raises:
        NotFound: when nothing has this name.
        InvalidInput: when an upload's file cannot be read.
    """
    return find_source(name).table()
