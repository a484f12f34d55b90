"""Rows that people have as arrays, tensors, lists or frames, as JSON that a server reads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from pydantic_core import to_jsonable_python

from hpsearch.client.transport import Transport
from hpsearch.errors import InvalidInput, NotFound
from hpsearch.spec.wire.datasets import BUILT_IN, Dataset
from hpsearch.spec.wire.records import Study

MOST_NAMES = 10
"""Columns that an error names."""


def json_rows(x: Any, columns: Sequence[str] = ()) -> list[Any]:
    """Returns rows to predict as JSON has them: [N, *features] as nested lists.

    Args:
        x: an array, a tensor, lists of these, or a frame; NaN becomes null, what frames call
            missing too.
        columns: of a frame that are sent, as maps from column to value; none sends its values
            as lists.

    Raises:
        InvalidInput: when it is no list of rows, or holds infinity, which JSON has not, or other
            than numbers, texts, dates and truth values.
    """
    if is_frame(x):
        x = _records(x, columns) if columns else _values(x)
    try:
        rows = _without_nan(to_jsonable_python(x, fallback=_plain))
    except ValueError as error:
        raise InvalidInput.at("x", f"must hold numbers and texts alone ({error})") from None
    if not isinstance(rows, list):
        raise InvalidInput.at(
            "x", f"must be a list of rows, got {type(x).__name__}; put one row in []"
        )
    return rows


def _without_nan(value: Any) -> Any:
    """The same with None for NaN; ValueError where a number is infinite."""
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    if isinstance(value, dict):
        return {name: _without_nan(item) for name, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        if math.isinf(value):
            raise ValueError("infinity cannot be sent; leave it out if missing")
        return None
    return value


def _plain(value: Any) -> Any:
    """An array or a tensor as a list, one of its elements as a plain number."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise ValueError(f"a value of type {type(value).__name__} is neither")


def is_frame(x: Any) -> bool:
    """Whether it is a table of pandas, polars or Arrow."""
    return any(hasattr(x, name) for name in ("to_dict", "to_dicts", "to_pylist"))


def _values(frame: Any) -> Any:
    """A table's rows in the order of its columns."""
    if hasattr(frame, "to_numpy"):
        return frame.to_numpy()
    return [list(row.values()) for row in frame.to_pylist()]


def _records(frame: Any, columns: Sequence[str]) -> list[dict[str, Any]]:
    """A table's rows as maps from these columns to values.

    Raises:
        InvalidInput: when it lacks one, which was mostly forgotten.
    """
    names = list(getattr(frame, "column_names", None) or frame.columns)
    if missing := [name for name in columns if name not in names]:
        raise InvalidInput.at(
            "x",
            f"must have the columns {', '.join(columns[:MOST_NAMES])}, and "
            f"{', '.join(missing[:MOST_NAMES])} {'is' if len(missing) == 1 else 'are'} not among "
            f"{', '.join(map(str, names[:MOST_NAMES]))}; add what is missing, empty where its "
            "values are not known",
        )
    if repeated := [name for name in columns if names.count(name) > 1]:
        raise InvalidInput.at("x", f"must name each column once, got {repeated[0]} more often")
    if hasattr(frame, "to_pylist"):  # Arrow
        rows = frame.to_pylist()
    elif hasattr(frame, "to_dicts"):  # polars, whose `to_dict` is by columns
        rows = frame.to_dicts()
    else:
        cells = frame[list(columns)]
        rows = cells.astype(object).where(cells.notna(), None).to_dict("records")
    # A decimal would go as text, which a column of numbers may read in another way.
    return [
        {
            name: float(row[name]) if isinstance(row[name], Decimal) else row[name]
            for name in columns
        }
        for row in rows
    ]


def table_columns(transport: Transport, study_id: int) -> tuple[str, ...]:
    """The columns of an uploaded table that a study's models take; none where rows are numbers.

    Args:
        transport: to the server.
        study_id: of the study.

    Raises:
        NotFound: when there is no such study.
    """
    task = transport.get(f"/studies/{study_id}", Study).spec["task"]
    name, split = task.get("dataset"), task.get("split") or {}
    if name is None or name in BUILT_IN:
        return ()
    try:
        info = transport.get(f"/datasets/{name}", Dataset, version=task.get("dataset_version"))
    except NotFound:  # it was removed meanwhile
        return ()
    if info.is_image:
        return ()
    splitting = {split.get(rule) for rule in ("column", "group", "time")}
    return tuple(
        column.name for column in info.columns if column.is_feature and column.name not in splitting
    )
