"""Whether a split and a data set go together."""

from __future__ import annotations

from collections.abc import Iterator

from hpsearch.errors import FieldError
from hpsearch.spec.checks.folds import fold_errors
from hpsearch.spec.language.messages import format_value
from hpsearch.spec.task import MOST_RARE_ROWS, Split
from hpsearch.spec.wire.datasets import DatasetInfo
from hpsearch.spec.wire.upload import ColumnInfo


def split_errors(split: Split, info: DatasetInfo, folds: int = 0) -> Iterator[FieldError]:
    """What is wrong with a split of this data; with folds, validation's share plays no part."""
    errors: list[FieldError] = []
    if split.by_column is not None:
        errors += _column_errors(split, info)
    elif info.target != "none":
        errors += _share_errors(split, info, folds)
    if not errors and folds:
        errors += fold_errors(folds, split, info)
    yield from errors


def without_missing_test(split: Split, info: DatasetInfo) -> Split:
    """The split with `test: 0` where its column names no test rows."""
    column = _column(info, split.column)
    if column is None or column.parts.get("test"):
        return split
    return split.model_copy(update={"test": 0.0})


def _share_errors(split: Split, info: DatasetInfo, folds: int) -> Iterator[FieldError]:
    shares = {"test": split.test} if folds else {"validation": split.validation, "test": split.test}
    rows = info.rows - sum(count for _, count in rare_classes(split, info, folds))
    divided = f"{info.rows} rows"
    remedy = "give a larger share"
    if rows < info.rows:
        divided = f"the {rows} rows of classes with more than {MOST_RARE_ROWS} rows"
        remedy = f"add rows to the classes of {info.name}, or join some of them"
    for name, share in shares.items():
        if share > 0 and rows * share < 0.5:
            yield FieldError(
                f"task.split.{name}",
                f"must leave at least one of {divided}, got {share:g}; {remedy}",
            )
    if info.rows * (1 - sum(shares.values())) < 1:
        yield FieldError("task.split", f"must leave one of {info.rows} rows to train on")


def rare_classes(split: Split, info: DatasetInfo, folds: int) -> list[tuple[str, int]]:
    """The classes of which all rows train where shares divide the rows, with how many they are."""
    if split.by_column is not None:
        return []
    named = zip(info.class_names, info.class_rows, strict=True)
    return [(name, rows) for name, rows in named if split.is_rare(rows, folds)]


def _column_errors(split: Split, info: DatasetInfo) -> Iterator[FieldError]:
    field, name = split.by_column or ("column", "")
    column = _column(info, name)
    if column is None:
        columns = [column.name for column in info.columns if column.role != "target"]
        names = ", ".join(columns[:20]) or "none"
        yield FieldError(
            f"task.split.{field}",
            f"must name a column of {info.name}, got {format_value(name)}; its columns: {names}",
        )
    elif column.missing:
        yield FieldError(
            f"task.split.{field}",
            f"must name a column with a value in every row, and {name} lacks {column.missing}; "
            "fill them in",
        )
    elif field == "column" and not column.parts.get("train"):
        yield FieldError(
            "task.split.column",
            f"must name a column of the values train, validation and test, and {name} holds "
            "others, or no train; correct it, or use group or time",
        )
    elif field == "group" and column.distinct < (3 if split.test else 2):
        yield FieldError(
            "task.split.group",
            f"must name a column with a group for each part, and {name} has {column.distinct} in "
            "all; use another column",
        )
    elif field == "time" and not column.is_ordered:
        yield FieldError(
            "task.split.time",
            f"must name a column of times or numbers, and {name} holds text; write times as "
            "2026-01-31 or 2026-01-31T12:00:00",
        )


def _column(info: DatasetInfo, name: str | None) -> ColumnInfo | None:
    """A column that may split the rows; what is learned may not."""
    return next((c for c in info.columns if c.name == name and c.role != "target"), None)
