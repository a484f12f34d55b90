"""Numbers that a model reads of a date.

elapsed   days since the earliest date of the training rows, with fractions
year      the calendar year
month, day, weekday, time
          places in a cycle, as sine and cosine of its angle: December is beside January, Sunday
          beside Monday, and 23:59 beside 0:00

A part that all training rows have alike is left out; `elapsed` stays. All is in UTC.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SECONDS_OF_DAY = 86_400
Days = NDArray[np.datetime64]
Whole = NDArray[np.int64]


@dataclass(frozen=True)
class _Cycle:
    """A part of a date that comes again: how long its cycle is, and a date's place in it."""

    length: int
    place: Callable[[Whole], Whole]
    """From whole seconds since 1970 [N] to places [N], from 0 on."""


def _days(seconds: Whole) -> Days:
    return seconds.astype("datetime64[s]").astype("datetime64[D]")


def _month(seconds: Whole) -> Whole:
    return _days(seconds).astype("datetime64[M]").astype(np.int64) % 12


def _day(seconds: Whole) -> Whole:
    days = _days(seconds)
    first_days = days.astype("datetime64[M]").astype("datetime64[D]")
    return days.astype(np.int64) - first_days.astype(np.int64)


def _weekday(seconds: Whole) -> Whole:
    """0 is Monday; 1970 began on a Thursday."""
    return (_days(seconds).astype(np.int64) + 3) % 7


def _minute(seconds: Whole) -> Whole:
    return seconds % SECONDS_OF_DAY // 60


_CYCLES: Mapping[str, _Cycle] = {
    "month": _Cycle(12, _month),
    "day": _Cycle(31, _day),
    "weekday": _Cycle(7, _weekday),
    "time": _Cycle(SECONDS_OF_DAY // 60, _minute),
}
PARTS = ("elapsed", "year", *_CYCLES)

# A table of each cycle's places: NumPy's own sine may round differently with the number of rows.
_ANGLES = {
    name: np.array(
        [
            (math.sin(2 * math.pi * i / cycle.length), math.cos(2 * math.pi * i / cycle.length))
            for i in range(cycle.length)
        ]
    )
    for name, cycle in _CYCLES.items()
}


@dataclass(frozen=True)
class DateFeatures:
    """Which numbers a column of dates becomes."""

    earliest: float
    """The earliest date of the training rows, in seconds since 1970."""
    parts: tuple[str, ...]
    """Of PARTS."""

    @property
    def names(self) -> tuple[str, ...]:
        """What each number is, [width]: `elapsed`, `year`, `month_sin`, `month_cos`, ..."""
        names: list[str] = []
        for part in self.parts:
            names += [f"{part}_sin", f"{part}_cos"] if part in _CYCLES else [part]
        return tuple(names)

    def __call__(self, seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        """The numbers [N, width] of dates in seconds since 1970 [N], none of them missing."""
        whole = np.floor(seconds).astype(np.int64)
        columns: list[NDArray[np.float64]] = []
        for part in self.parts:
            if part == "elapsed":
                columns.append((seconds - self.earliest)[:, None] / SECONDS_OF_DAY)
            elif part == "year":
                columns.append(_year(whole)[:, None].astype(np.float64))
            else:
                columns.append(_ANGLES[part][_CYCLES[part].place(whole)])
        return np.concatenate(columns, axis=1)

    def as_json(self) -> dict[str, Any]:
        """The document that `from_json` reads; it is part of the checkpoint's format."""
        return {"earliest": self.earliest, "parts": self.parts}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> DateFeatures:
        """What `as_json` gave.

        Raises:
            ValueError: when it names a part that dates do not have.
        """
        parts = tuple(map(str, document["parts"]))
        if strange := set(parts) - set(PARTS):
            raise ValueError(f"dates have no part called {min(strange)}")
        return cls(float(document["earliest"]), parts)


def fit_dates(seconds: NDArray[np.float64]) -> DateFeatures:
    """The numbers that dates of training rows [N], none of them missing, are told apart by."""
    if not len(seconds):
        return DateFeatures(0.0, PARTS[:1])
    whole = np.floor(seconds).astype(np.int64)
    places = {"year": _year(whole), **{n: cycle.place(whole) for n, cycle in _CYCLES.items()}}
    varying = [name for name, values in places.items() if values.min() < values.max()]
    return DateFeatures(float(seconds.min()), ("elapsed", *varying))


def _year(seconds: Whole) -> Whole:
    return seconds.astype("datetime64[s]").astype("datetime64[Y]").astype(np.int64) + 1970
