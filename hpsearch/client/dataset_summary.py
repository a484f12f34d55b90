"""What people are shown of a data set: a row per column, its target, and how much is left out.

The command line prints these, a notebook draws them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from hpsearch.spec.language.messages import pluralize
from hpsearch.spec.wire.datasets import Dataset, DatasetInfo
from hpsearch.spec.wire.upload import ColumnInfo, ColumnKind, ColumnReading

FEW_COLUMNS = 24
"""Tables of so many columns are shown whole."""
MOST_COLUMNS = 40
"""Of a larger table at most so many are shown, those first of which there is something to say."""
MOST_CLASSES = 12

_PLURALS: dict[ColumnKind, str] = {
    "number": "numbers", "category": "categories", "boolean": "booleans", "date": "dates",
    "text": "texts", "id": "identifiers", "constant": "constants",
}  # fmt: skip
_CLASS_VALUES = {"integer": "whole numbers", "number": "numbers", "boolean": "booleans"}


@dataclass(frozen=True)
class ColumnRow:
    """A column as people are told of it."""

    name: str
    read_as: str
    """Its kind, and the form of its numbers or dates where that is not the usual one."""
    used: str
    """yes, no, or what else it is for: target, split, group, time."""
    distinct: str
    missing: str
    examples: str
    why: str
    """Why it is left out, or what was guessed of it; may be empty."""


def headline(info: DatasetInfo) -> str:
    """Name, version, rows and shape: `houses, version 2: 1,460 rows of 12 columns`."""
    version = ""
    if isinstance(info, Dataset):
        newest = max(info.versions, default=info.version)
        is_newest = info.version == newest
        version = f", version {info.version}" + ("" if is_newest else f" (the newest is {newest})")
    return f"{info.name}{version}: {pluralize(info.rows, 'row')} of {shape(info)}"


def shape(info: DatasetInfo) -> str:
    """The shape of a row: `1×28×28`, or `3 of 5 columns` where some are not learned from."""
    if info.is_image:
        return "×".join(map(str, info.features))
    used, known = info.features[0], len([c for c in info.columns if c.role != "target"])
    return pluralize(used, "column") if known <= used else f"{used:,} of {known:,} columns"


def target_line(info: DatasetInfo) -> str:
    """What is learned: the target's name, its classes with their rows, or some of its numbers."""
    column = next((c for c in info.columns if c.role == "target"), None)
    name = column.name if column is not None else None
    if name is None and isinstance(info, Dataset):
        name = info.target_column
    start = "target" if name is None else f"target {name}"
    if info.target != "classes":
        few = ""
        if column is not None and column.examples:
            few = f", {column.distinct:,} different, such as {', '.join(column.examples)}"
        return "no target" if info.target == "none" else f"{start}: {info.target}{few}"
    values = _CLASS_VALUES.get(info.class_type)
    shown = list(zip(info.class_names, info.class_rows, strict=False))[:MOST_CLASSES]
    counts = ", ".join(f"{name} ({pluralize(rows, 'row')})" for name, rows in shown)
    more = info.classes - len(shown)
    return (
        f"{start}: {info.classes} classes{f' of {values}' if values else ''}"
        + (f": {counts}" if counts else "")
        + (f" and {more} more" if more and shown else "")
    )


def column_rows(info: DatasetInfo, *, whole: bool = False) -> tuple[list[ColumnRow], str]:
    """The columns to show, in the table's order, and a line that sums up the others.

    Args:
        info: the data set's.
        whole: show every column; else of a wide table those of which there is something to say.

    Returns:
        The rows, and the line, which is empty where all are shown.
    """
    columns = info.columns
    if not whole and len(columns) > FEW_COLUMNS:
        remarkable = [c for c in columns if c.why or c.role != "feature"]
        columns = tuple(remarkable[:MOST_COLUMNS])
    shown = {column.name for column in columns}
    rest = [column for column in info.columns if column.name not in shown]
    return [_row(column) for column in columns], _rest_line(rest)


def _rest_line(columns: Sequence[ColumnInfo]) -> str:
    if not columns:
        return ""
    counts = Counter((column.kind, column.role == "ignored") for column in columns)
    parts = [
        f"{count:,} more {_PLURALS[kind] if count != 1 else kind}{' left out' if ignored else ''}"
        for (kind, ignored), count in counts.most_common()
    ]
    return f"+ {', '.join(parts)}"


def _row(column: ColumnInfo) -> ColumnRow:
    return ColumnRow(
        name=column.name,
        read_as=_reading(column.kind, column.reading),
        used={"feature": "yes", "ignored": "no"}.get(column.role, column.role),
        distinct=f"{column.distinct:,}",
        missing=f"{column.missing:,}" if column.missing else "",
        examples=", ".join(column.examples),
        why="" if column.role == "target" else column.why,
    )


def _reading(kind: ColumnKind, reading: ColumnReading | None) -> str:
    """`number 1.234,5` for numbers in that form, `date dmy`; the kind alone for usual forms."""
    if reading is None or kind != reading.kind:
        return kind
    if kind == "number" and (reading.thousands or reading.decimal != "."):
        return f"number 1{reading.thousands}234{reading.decimal}5"
    if kind == "date" and reading.date_order != "ymd":
        return f"date {reading.date_order}"
    return kind
