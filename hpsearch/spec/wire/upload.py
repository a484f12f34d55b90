"""What is known of an uploaded data set beside its shape: its form and its columns."""

from __future__ import annotations

from typing import Literal

from hpsearch.spec.language.base import Record

UploadFormat = Literal["csv", "parquet", "npz", "image_folder", "idx", "cifar10", "cifar100"]
"""Forms that an upload may have; packed ones as zip or tar."""

ColumnUse = Literal["number", "category", "ignore"]
"""What a person may say of a column; an ignored one is no feature, but a split may name it."""

DATASET_NAME = r"[a-z][a-z0-9_-]{0,99}"
"""What an uploaded data set may be called."""


class DatasetFile(Record):
    """What a worker needs to fetch an uploaded data set and to read it."""

    name: str
    sha256: str
    size_bytes: int
    format: UploadFormat
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
