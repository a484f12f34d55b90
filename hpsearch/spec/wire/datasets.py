"""Data sets as the server describes them, and the built-in ones.

The server decides with these records alone; the arrays are loaded where trials train, and a test
there compares them with BUILT_IN.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from hpsearch.spec.language.base import Record
from hpsearch.spec.language.fields import TargetKind
from hpsearch.spec.wire.upload import ClassType, ColumnInfo, DatasetFile


class DatasetInfo(Record):
    """Shape and target of a data set; `classes` is 0 unless the target is one of classes."""

    name: str
    rows: int
    features: tuple[int, ...]
    """Shape of one row: [columns], or [channels, height, width] for images."""
    target: TargetKind
    classes: int = 0
    class_names: tuple[str, ...] = ()
    """In the order of a model's outputs."""
    class_rows: tuple[int, ...] = ()
    """Rows of each of them."""
    class_type: ClassType = "text"
    """Of the values that the classes stand for."""
    columns: tuple[ColumnInfo, ...] = ()
    """Of an uploaded table all columns; of other formats what came beside their rows."""
    warnings: tuple[str, ...] = ()
    """What a careful person would want to know before training: a sentence each."""

    @property
    def is_image(self) -> bool:
        """Whether rows are [channels, height, width]."""
        return len(self.features) == 3


class Dataset(DatasetInfo, DatasetFile):
    """An uploaded data set: what it looks like, its content's hash, and how to read it.

    `features` of a table counts its columns; categories become indicators where trials train.
    """

    versions: tuple[int, ...] = ()
    """All that there are under its name, this one among them; the last is the newest."""
    created_at: datetime | None = None


class DatasetList(Record):
    """The data sets that a task may name."""

    datasets: list[Dataset | DatasetInfo]


def _classes(name: str, features: tuple[int, ...], class_rows: Mapping[str, int]) -> DatasetInfo:
    """A built-in set of classes, with the number of rows of each."""
    return DatasetInfo(
        name=name,
        rows=sum(class_rows.values()),
        features=features,
        target="classes",
        classes=len(class_rows),
        class_names=tuple(class_rows),
        class_rows=tuple(class_rows.values()),
    )


_DIGITS = (178, 182, 177, 183, 181, 182, 181, 179, 174, 180)

BUILT_IN: Mapping[str, DatasetInfo] = {
    info.name: info
    for info in (
        _classes("digits", (1, 8, 8), dict(zip("0123456789", _DIGITS, strict=True))),
        _classes("breast_cancer", (30,), {"malignant": 212, "benign": 357}),
        _classes("wine", (13,), {"class_0": 59, "class_1": 71, "class_2": 48}),
        _classes("iris", (4,), {"setosa": 50, "versicolor": 50, "virginica": 50}),
        DatasetInfo(name="diabetes", rows=442, features=(10,), target="numbers"),
        _classes("spiral", (2,), {"0": 100, "1": 100, "2": 100}),
        DatasetInfo(name="quadratic", rows=1, features=(1,), target="none"),
    )
}
"""By name."""
