"""The record of an upload that the server keeps: shape, target and columns.

Of images that are read as a whole it is made from the rows.
"""

from __future__ import annotations

import numpy as np

from hpsearch.spec.wire.datasets import DatasetInfo
from hpsearch.spec.wire.upload import ColumnInfo, ColumnReading
from hpsearch.training.uploads.table import SPLIT_NAMES, ColumnValues, Table


def describe(name: str, table: Table) -> DatasetInfo:
    """The record of a data set, from its rows.

    Args:
        name: what studies call it.
        table: its rows.
    """
    classes = len(table.classes)
    return DatasetInfo(
        name=name,
        rows=len(table.x),
        features=table.x.shape[1:],
        target="classes" if classes else "numbers",
        classes=classes,
        class_names=table.classes,
        class_rows=tuple(np.bincount(table.y, minlength=classes).tolist()) if classes else (),
        class_type=table.class_type,
        columns=tuple(_column(column, feature) for column, feature in table.all_columns()),
    )


def _column(column: ColumnValues, feature: bool) -> ColumnInfo:
    present = column.values[~column.missing]
    names = column.categories
    parts: dict[str, int] = {}
    if names and set(names) <= set(SPLIT_NAMES):
        counts = np.bincount(present.astype(np.int64), minlength=len(names)).tolist()
        parts = dict(zip(names, counts, strict=True))
    return ColumnInfo(
        name=column.name,
        kind=column.column.kind,
        role="feature" if feature else "split" if parts else "ignored",
        missing=int(column.missing.sum()),
        distinct=len(np.unique(present)),
        parts=parts,
        reading=column.column.reading or ColumnReading(kind=column.column.kind),
    )
