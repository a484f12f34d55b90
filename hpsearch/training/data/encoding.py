"""Columns of an uploaded table as numbers: indicators of categories, parts of dates, no holes.

Fitted on the training rows and stored with every checkpoint, so that new rows go the same way.
A number or date that is missing becomes the training rows' median; a category that is missing
becomes the most frequent one (of equally frequent ones the first by name). A category without an
indicator is none of those that have one: all indicators of its column are 0. That is so where no
training row has it, and of very many categories for those that are rare.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpsearch.spec.wire.upload import ColumnReading
from hpsearch.training.data.date_features import DateFeatures, fit_dates
from hpsearch.training.uploads.category_rules import MAX_CATEGORIES
from hpsearch.training.uploads.table import Column, ColumnValues

MAX_OTHERS = 10_000
"""Categories without an indicator whose names are kept, to tell them from those never seen; the
most frequent ones, as checkpoints must not grow with the data."""


@dataclass(frozen=True)
class EncodedColumn:
    """How one column of the table is encoded."""

    name: str
    index: int
    """Its position among the table's features, 0-based."""
    fill: float
    """What takes the place of a missing value: a number, seconds, or a category's code."""
    reading: ColumnReading | None = None
    """How its cells are read; none where nothing was decided: by an early release, or of arrays."""
    categories: tuple[str, ...] | None = None
    """Names of the categories with an indicator, in the order of their codes; none for others."""
    codes: tuple[int, ...] = ()
    """Their codes in the table, ascending."""
    other_categories: tuple[str, ...] = ()
    """Names of training rows' categories that have no indicator."""
    dates: DateFeatures | None = None
    """What is read of dates; none for others."""

    @property
    def width(self) -> int:
        """How many numbers it becomes."""
        return len(self.feature_names)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """What each of these numbers is: `size`, `town=Bern`, `sold:year`."""
        if self.categories is not None:
            return tuple(f"{self.name}={category}" for category in self.categories)
        if self.dates is not None:
            return tuple(f"{self.name}:{part}" for part in self.dates.names)
        return (self.name,)

    def encode(self, values: NDArray[np.float64]) -> NDArray[Any]:
        """Values [N] of the table, NaN where one is missing, as [N, width]."""
        filled = np.where(np.isnan(values), self.fill, values)
        if self.categories is not None:
            return np.equal(filled[:, None], np.array(self.codes, dtype=np.float64))
        return filled[:, None] if self.dates is None else self.dates(filled)


@dataclass(frozen=True)
class Encoding:
    """Turns rows [N, columns] of a table into [N, width]."""

    columns: tuple[EncodedColumn, ...]

    def __call__(self, x: NDArray[Any]) -> NDArray[np.float64]:
        """Encodes rows x [N, columns], NaN where a value is missing, as [N, width]."""
        if not self.columns:
            return np.empty((len(x), 0))
        parts = [column.encode(x[:, column.index]) for column in self.columns]
        return np.concatenate(parts, axis=1, dtype=np.float64)

    @property
    def indicators(self) -> NDArray[np.bool_]:
        """Which of the encoded columns stand for a category, [width]."""
        flags = [np.full(column.width, column.categories is not None) for column in self.columns]
        return np.concatenate(flags) if flags else np.empty(0, dtype=bool)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """What each of the encoded columns is, [width]."""
        return tuple(name for column in self.columns for name in column.feature_names)

    def as_json(self) -> list[dict[str, Any]]:
        """The encoding as JSON, for `from_json`; its keys are part of the checkpoint's format."""
        return [_column_as_json(column) for column in self.columns]

    @classmethod
    def from_json(cls, document: Sequence[Mapping[str, Any]]) -> Encoding:
        """The encoding that `as_json` gave, of this release or of one before it.

        Raises:
            KeyError, TypeError, ValueError: when it is no such document.
        """
        return cls(tuple(_column_from_json(entry) for entry in document))


def fit_encoding(
    columns: Sequence[Column], x: NDArray[Any], *, without: Collection[str] = ()
) -> Encoding:
    """The encoding whose fillings and known categories are those of the training rows.

    Args:
        columns: what the columns of x hold.
        x: training rows [N, columns].
        without: names of columns to leave out, such as the one that splits the rows.
    """
    return Encoding(
        tuple(
            _fit_column(ColumnValues(column, x[:, index]), index)
            for index, column in enumerate(columns)
            if column.name not in without
        )
    )


def _fit_column(values: ColumnValues, index: int) -> EncodedColumn:
    column, present = values.column, values.values[~values.missing]
    if column.kind == "category":
        return _fit_categories(column, present.astype(np.int64), index)
    median = float(np.median(present)) if len(present) else 0.0
    dates = fit_dates(present) if column.kind == "date" else None
    return EncodedColumn(column.name, index, median, column.reading, dates=dates)


def _fit_categories(column: Column, present: NDArray[np.int64], index: int) -> EncodedColumn:
    """The column's encoding from the codes that are present in the training rows."""
    codes, counts = np.unique(present, return_counts=True)
    by_frequency = codes[np.argsort(-counts, kind="stable")]
    known = np.sort(by_frequency[:MAX_CATEGORIES]).tolist()
    others = by_frequency[MAX_CATEGORIES : MAX_CATEGORIES + MAX_OTHERS].tolist()
    return EncodedColumn(
        column.name,
        index,
        float(by_frequency[0]) if len(codes) else -1.0,
        column.reading,
        categories=tuple(column.categories[code] for code in known),
        codes=tuple(known),
        other_categories=tuple(column.categories[code] for code in others),
    )


def _column_as_json(column: EncodedColumn) -> dict[str, Any]:
    document: dict[str, Any] = {
        "name": column.name,
        "place": column.index,
        "fill": column.fill,
        "reading": None if column.reading is None else column.reading.model_dump(mode="json"),
    }
    if column.categories is not None:
        document["indicators"] = dict(zip(column.categories, column.codes, strict=True))
        document["others"] = column.other_categories
    if column.dates is not None:
        document["dates"] = column.dates.as_json()
    return document


def _column_from_json(entry: Mapping[str, Any]) -> EncodedColumn:
    if "kept" in entry:
        return _column_from_first_version(entry)
    indicators, dates, reading = entry.get("indicators"), entry.get("dates"), entry["reading"]
    return EncodedColumn(
        name=str(entry["name"]),
        index=int(entry["place"]),
        fill=float(entry["fill"]),
        reading=None if reading is None else ColumnReading.model_validate(reading),
        categories=None if indicators is None else tuple(map(str, indicators)),
        codes=() if indicators is None else tuple(map(int, indicators.values())),
        other_categories=tuple(map(str, entry.get("others", ()))),
        dates=None if dates is None else DateFeatures.from_json(dates),
    )


def _column_from_first_version(entry: Mapping[str, Any]) -> EncodedColumn:
    """A column as releases before 0.2 stored it: all categories by code, and the codes known."""
    categories, codes = tuple(map(str, entry["categories"])), tuple(map(int, entry["kept"]))
    if categories and not all(0 <= code < len(categories) for code in codes):
        raise ValueError("its categories have other codes than 0, 1, ...")
    return EncodedColumn(
        name=str(entry["name"]),
        index=int(entry["place"]),
        fill=float(entry["fill"]),
        categories=tuple(categories[code] for code in codes) if categories else None,
        codes=codes,
    )
