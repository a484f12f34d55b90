"""How an uploaded file is to be read, and how its faults are told."""

from __future__ import annotations

import json
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
    columns: Mapping[str, ColumnUse] = field(default_factory=dict)

    def told(self) -> str:
        """The recipe in words; equal recipes in equal ones."""
        return json.dumps([self.format, self.target, sorted(self.columns.items())])


def invalid_upload(sentence: str, where: Field = "file", column: str | None = None) -> InvalidInput:
    """What is wrong with an upload, and with which of the request's fields."""
    return InvalidInput.at(where if column is None else f"{where}.{column}", sentence)
