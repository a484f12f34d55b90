"""The multipart form by which a data set is uploaded; its files go to disk as they arrive."""

from __future__ import annotations

import errno
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any, get_args

from fastapi import Depends, Request
from starlette.datastructures import UploadFile

from hpsearch.errors import FieldError, InvalidInput, StorageFull
from hpsearch.spec.language.messages import format_value
from hpsearch.spec.wire.upload import ColumnUse

TEXTS = ("name", "target", "format", "columns", "replace")
MAX_FILES = 2

_FIELDS: dict[str, Any] = {
    "name": {"type": "string", "pattern": "^[a-z][a-z0-9_-]{0,99}$"},
    "target": {
        "type": "string",
        "description": "the column to learn; needed for CSV and Parquet",
    },
    "format": {"type": "string", "description": "found out when left out"},
    "columns": {
        "type": "string",
        "description": 'JSON: {"zip": "category", "id": "ignore"}; '
        "number, category, date or ignore",
    },
    "replace": {
        "type": "string",
        "enum": ["true", "false"],
        "description": "true: another data set of this name becomes an earlier "
        "version, with which its studies go on",
    },
    "file": {
        "type": "string",
        "format": "binary",
        "description": "one file, or two (IDX images and labels)",
    },
}


def form_body(*required: str) -> dict[str, Any]:
    """The form as OpenAPI describes it, with the fields that a request must have."""
    schema = {"type": "object", "required": list(required), "properties": _FIELDS}
    content = {"multipart/form-data": {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}}


@dataclass(frozen=True)
class UploadForm:
    """The form's fields, read to the end."""

    name: str
    """Empty where a file is only looked at and has none."""
    target: str | None
    format: str | None
    columns: dict[str, ColumnUse]
    replace: bool = False
    files: list[UploadFile] = field(default_factory=list)


async def _named_form(request: Request) -> AsyncIterator[UploadForm]:
    async with _form(request, needs_name=True) as form:
        yield form


async def _nameless_form(request: Request) -> AsyncIterator[UploadForm]:
    async with _form(request, needs_name=False) as form:
        yield form


@asynccontextmanager
async def _form(request: Request, *, needs_name: bool) -> AsyncIterator[UploadForm]:
    if not request.headers.get("Content-Type", "").startswith("multipart/form-data"):
        raise InvalidInput.at(
            "",
            "a data set must come as multipart/form-data with name, target and file; "
            "curl --form name=... --form target=... --form file=@...",
        )
    try:
        async with request.form(max_files=MAX_FILES, max_fields=len(TEXTS)) as form:
            texts: dict[str, str] = {}
            files = []
            for name, value in form.multi_items():
                if name == "file" and not isinstance(value, str):
                    files.append(value)
                elif name in TEXTS and isinstance(value, str):
                    texts[name] = value
                else:
                    raise InvalidInput.at(
                        format_value(name),
                        f"no such field, or not of this kind; known: {', '.join(TEXTS)} as text, "
                        "file as a file",
                    )
            yield _checked(texts, files, needs_name=needs_name)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise StorageFull("there is no room for the upload; free space and try again") from error


def _checked(texts: dict[str, str], files: list[UploadFile], *, needs_name: bool) -> UploadForm:
    has_name = texts.get("name") or not needs_name
    missing = [name for name, there in (("name", has_name), ("file", files)) if not there]
    if missing:
        raise InvalidInput([FieldError(name, "is required; add it") for name in missing])
    return UploadForm(
        name=texts.get("name", ""),
        target=texts.get("target") or None,
        format=texts.get("format") or None,
        columns=_uses(texts.get("columns") or "{}"),
        replace=_is_true("replace", texts.get("replace") or "false"),
        files=files,
    )


def _is_true(name: str, text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise InvalidInput.at(name, f"must be true or false, got {format_value(text)}")
    return text.lower() == "true"


def _uses(text: str) -> dict[str, ColumnUse]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    allowed = get_args(ColumnUse)
    if not isinstance(document, dict) or any(use not in allowed for use in document.values()):
        raise InvalidInput.at(
            "columns",
            f"must be a JSON object from column to {', '.join(allowed)}, got {format_value(text)}",
        )
    return document


UploadDep = Annotated[UploadForm, Depends(_named_form)]
InspectionDep = Annotated[UploadForm, Depends(_nameless_form)]
"""The same form, in which a name is not needed."""
