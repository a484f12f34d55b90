"""How an uploaded file is to be read, and the error that says what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from hpsearch.errors import InvalidInput
from hpsearch.spec.wire.upload import ColumnUse

Field = Literal["file", "target", "format", "columns", "name"]


@dataclass(frozen=True)
class ReadOptions:
    """The format, the column or array to learn, and what people said of the columns."""

    format: str
    """A key of `hpsearch.spec.upload_formats.UPLOAD_FORMATS`."""
    target: str | None = None
    columns: Mapping[str, ColumnUse] = field(default_factory=dict, hash=False)


def invalid_upload(sentence: str, where: Field = "file", column: str | None = None) -> InvalidInput:
    """The error that an upload is refused with.

    Args:
        sentence: what must be, what is instead, and what to do.
        where: the field of the request that is wrong.
        column: the entry of that field, where it is one of several.
    """
    return InvalidInput.at(where if column is None else f"{where}.{column}", sentence)


def first_line(error: Exception) -> str:
    """What a library's error says, in one line of at most 200 characters."""
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
