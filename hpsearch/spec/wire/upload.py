"""What is known of an uploaded data set beside its shape: its format and its columns."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, WithJsonSchema

from hpsearch.spec.language.base import Record
from hpsearch.spec.upload_formats import UPLOAD_FORMATS


def _known_format(name: str) -> str:
    if name not in UPLOAD_FORMATS:
        raise ValueError(f"must be one of {', '.join(UPLOAD_FORMATS)}, got {name}")
    return name


UploadFormatName: TypeAlias = Annotated[
    str,
    AfterValidator(_known_format),
    WithJsonSchema({"type": "string", "enum": list(UPLOAD_FORMATS)}),
]
"""A key of UPLOAD_FORMATS."""

ColumnUse = Literal["number", "category", "ignore"]
"""What a person may say of a column; an ignored one is no feature, but a split may name it."""

DATASET_NAME = r"[a-z][a-z0-9_-]{0,99}"
"""What an uploaded data set may be called."""


class DatasetFile(Record):
    """What a worker needs to fetch an uploaded data set and to read it."""

    name: str
    sha256: str
    size_bytes: int
    format: UploadFormatName
    target_column: str | None
    """The column, or the array, that is learned."""
    uses: dict[str, ColumnUse] = {}
    """What was said of columns at upload."""


class ColumnInfo(Record):
    """A column of a table, or what came beside the rows of another format."""

    name: str
    kind: Literal["number", "category", "time"]
    feature: bool
    """Whether it is learned from; times and ignored columns are not."""
    missing: int = 0
    """Rows without a value."""
    distinct: int = 0
    """Different values."""
    parts: dict[str, int] = {}
    """Rows by part, where every value is one of train, validation and test."""
