"""Which format a file is of, and its rows; each format's `Format` stands in its own module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hpsearch.spec.language.family import load_object
from hpsearch.spec.language.messages import format_value
from hpsearch.spec.upload_formats import UPLOAD_FORMATS, upload_format_labels
from hpsearch.spec.wire.datasets import DatasetInfo
from hpsearch.training.uploads.archive import Archive, is_packed, open_archive
from hpsearch.training.uploads.describe import describe
from hpsearch.training.uploads.memory import memory_released
from hpsearch.training.uploads.read_options import ReadOptions, invalid_upload
from hpsearch.training.uploads.table import Table
from hpsearch.training.uploads.upload_format import FileStart, Format

FIRST_BYTES = 512
"""Read to recognise a file."""


def read(path: Path, options: ReadOptions) -> Table:
    """The rows of an uploaded file.

    Args:
        path: where it lies.
        options: its format, the column or array to learn, and how its columns are read or what
            was said of them.

    Raises:
        InvalidInput: saying what is wrong, and in which column and row or which file.
    """
    return _format(options.format).read(path, options)


def describe_file(path: Path, options: ReadOptions, name: str) -> DatasetInfo:
    """The record of an uploaded file: its shape, its columns, and what is to be known of it.

    Args:
        path: where it lies.
        options: its format, the column or array to learn, and what was said of columns.
        name: what studies call it.

    Raises:
        InvalidInput: saying what is wrong, and in which columns and row or which file.
    """
    form = _format(options.format)
    with memory_released():
        if form.describe is None:
            return describe(name, form.read(path, options))
        return form.describe(path, options, name)


def format_of(path: Path, name: str, requested: str | None) -> str:
    """The name of a file's format: the one requested, else by its first bytes, else by its name.

    Args:
        path: where it lies.
        name: what its sender calls it.
        requested: the format that the sender names; none goes by the file.

    Returns:
        A key of UPLOAD_FORMATS.

    Raises:
        InvalidInput: when it is of none of them, or of one that needs further files.
    """
    if requested is not None:
        if requested not in UPLOAD_FORMATS:
            known = ", ".join(UPLOAD_FORMATS)
            raise invalid_upload(f"must be one of {known}; got {format_value(requested)}", "format")
        return requested
    with path.open("rb") as file:
        start = FileStart(path, name, file.read(FIRST_BYTES))
    if not start.first_bytes:
        raise invalid_upload("the file must not be empty; send one with data")
    for known, form in _formats():
        if form.magic and start.first_bytes.startswith(form.magic):
            return known
    if is_packed(start.first_bytes):
        if name.lower().endswith(".gz") and not name.lower().endswith(".tar.gz"):
            raise invalid_upload(
                f"{name} must be unpacked, or be in a zip with the files that go with it"
            )
        with open_archive(path, name) as archive:
            return _format_in(archive)
    for known, form in _formats():
        if form.as_file(start):
            return known
    for known, form in reversed(list(_formats())):
        if form.as_rest(start):
            return known
    raise _unknown(name)


def _format_in(archive: Archive) -> str:
    for known, form in _formats():
        if form.in_archive(archive):
            return known
    names = ", ".join(member.name for member in archive.members[:5]) or "nothing"
    raise _unknown(f"an archive of {names}")


def _formats() -> Iterator[tuple[str, Format]]:
    for name in UPLOAD_FORMATS:
        yield name, _format(name)


def _format(name: str) -> Format:
    form: Format = load_object(UPLOAD_FORMATS[name].implementation)
    return form


def _unknown(what: str) -> Exception:
    return invalid_upload(
        f"the file must be {upload_format_labels()}, and {what} is none of them; "
        "name its `format` if it is"
    )
