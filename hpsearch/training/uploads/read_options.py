"""How an uploaded file is to be read, and the error that says what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from hpsearch.errors import InvalidInput
from hpsearch.spec.language.messages import alternatives
from hpsearch.spec.wire.upload import ClassType, ColumnInfo, ColumnUse

Field = Literal["file", "target", "format", "columns", "name"]


@dataclass(frozen=True)
class ReadOptions:
    """The format, the column or array to learn, and what is known of the columns."""

    format: str
    """A key of `hpsearch.spec.upload_formats.UPLOAD_FORMATS`."""
    target: str | None = None
    uses: Mapping[str, ColumnUse] = field(default_factory=dict, hash=False)
    """What people said of columns."""
    columns: tuple[ColumnInfo, ...] = field(default=(), hash=False)
    """How the columns are read, as it was decided at the upload; empty where it is to be decided
    now. `uses` are contained in it."""
    class_type: ClassType = "text"
    """Of the values that classes stand for, as it was decided with `columns`."""
    needs_target: bool = True
    """False where a file is only looked at: all its columns are described, nothing is learned."""


def invalid_upload(sentence: str, where: Field = "file", column: str | None = None) -> InvalidInput:
    """The error that an upload is refused with.

    Args:
        sentence: what must be, what is instead, and what to do.
        where: the field of the request that is wrong.
        column: the entry of that field, where it is one of several.
    """
    return InvalidInput.at(where if column is None else f"{where}.{column}", sentence)


def column_remedy(name: str, *uses: ColumnUse) -> str:
    """What to send to have a column read otherwise: `columns={"NAME": "category"}`.

    Several are joined by "or". The command line translates exactly this form into its own words.
    """
    return alternatives(f"columns={json.dumps({name: use}, ensure_ascii=False)}" for use in uses)


def first_line(error: Exception) -> str:
    """What a library's error says, in one line of at most 200 characters."""
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
