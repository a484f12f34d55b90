"""What is known of an uploaded data set beside its shape: its format and its columns."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, WithJsonSchema, model_validator

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

ColumnUse = Literal["number", "category", "date", "ignore"]
"""What a person may say of a column; an ignored one is no feature, but a split may name it."""

ColumnKind: TypeAlias = Literal["number", "category", "boolean", "date", "text", "id", "constant"]
"""What a column holds. Free text, identifiers and constants are left out unless a person says
otherwise; those of them that a split names hold categories or numbers all the same."""

ColumnRole: TypeAlias = Literal["feature", "target", "split", "group", "time", "ignored"]
"""What a column is for; split, group and time: it may only say which rows train."""

ClassType: TypeAlias = Literal["text", "integer", "number", "boolean"]
"""Of the values that a data set's classes stand for: what predictions give back."""

DATASET_NAME = r"[a-z][a-z0-9_-]{0,99}"
"""What an uploaded data set may be called."""


class ColumnReading(Record):
    """How the cells of a column become values: decided once, by all rows of an upload.

    Whoever reads the column afterwards (a worker that trains, a model that predicts new rows) goes
    by it, so that a cell means the same everywhere.
    """

    kind: Literal["number", "category", "boolean", "date"]
    decimal: Literal[".", ","] = "."
    """Of numbers as text."""
    thousands: Literal["", ".", ",", " ", "'"] = ""
    """What groups the digits of numbers as text; a space stands for every kind of space."""
    date_order: Literal["ymd", "dmy", "mdy"] = "ymd"
    """Of dates as text."""
    by_value: bool = False
    """Of categories: all are numbers, of which equal ones (1, 1.0, "1") are one category."""


class ColumnInfo(Record):
    """A column of a table, or what came beside the rows of another format."""

    name: str
    kind: ColumnKind
    role: ColumnRole = "feature"
    why: str = ""
    """Why it is left out, or what was guessed of it; empty where nothing is to be said."""
    missing: int = 0
    """Rows without a value."""
    distinct: int = 0
    """Different values; an estimate where there are very many."""
    examples: tuple[str, ...] = ()
    """Some of its values as they were written."""
    parts: dict[str, int] = {}
    """Rows by part, where every value is one of train, validation and test."""
    reading: ColumnReading | None = None
    """None where nothing can be read of it: an empty column."""

    @model_validator(mode="before")
    @classmethod
    def _from_first_version(cls, document: Any) -> Any:
        """A column as servers before 0.2 stored it: with `feature`, and `time` for dates."""
        if not isinstance(document, dict) or "feature" not in document:
            return document
        changed = {name: value for name, value in document.items() if name != "feature"}
        if changed.get("kind") == "time":
            changed["kind"] = "date"
        changed.setdefault("role", "feature" if document["feature"] else "ignored")
        changed.setdefault("reading", {"kind": changed["kind"]})
        return changed

    @property
    def is_feature(self) -> bool:
        """Whether it is learned from."""
        return self.role == "feature"

    @property
    def is_ordered(self) -> bool:
        """Whether its values have an order: dates and numbers."""
        return self.reading is not None and self.reading.kind in ("date", "number")


class DatasetFile(Record):
    """What a worker needs to fetch an uploaded data set and to read it."""

    name: str
    version: int = 1
    """Of the files that were uploaded under this name, counted from 1."""
    sha256: str
    size_bytes: int
    format: UploadFormatName
    target_column: str | None
    """The column, or the array, that is learned."""
    uses: dict[str, ColumnUse] = {}
    """What was said of columns at upload."""
    columns: tuple[ColumnInfo, ...] = ()
    """Of a table all columns, the target among them: how they are read and what they are for."""
    class_type: ClassType = "text"
    """Of the values that its classes stand for."""
