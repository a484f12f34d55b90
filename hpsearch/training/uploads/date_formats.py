"""Dates and times as text: which shapes are one, and what instant each cell is.

year first    2024-05-31, 2024/5/31, 2024.05.31, 2024-05 (its first day)
two orders    31.05.2024, 5/31/2024, 31-5-24: day or month first, decided for the whole column
with a name   31 May 2024, 31-May-24, May 31, 2024, Fri, 31 May 2024 (English)
digits alone  20240531, 2024: only in a column that a person calls one of dates

A time (08:30, 8:30:05.25 PM) and a zone (Z, UTC, +02:00) may follow; without a zone it is UTC.
Years of two digits are 1969 to 2068, as in POSIX. What no calendar has (a 30th of February) is no
date.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpsearch.training.uploads.text_shapes import FIRST_ZERO, ShapedTexts, numbers_at

if TYPE_CHECKING:
    import pyarrow as pa

DateOrder = Literal["ymd", "dmy", "mdy"]
DATE_ORDERS: tuple[DateOrder, ...] = ("ymd", "dmy", "mdy")
DateForm = Literal["year_first", "two_orders", "short_year", "name", "digits"]
"""Of a shape; `short_year`: two orders, or year first, as the year has two digits."""

_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september",
    "october", "november", "december",
)  # fmt: skip
_NAMES = {name: number for number, name in enumerate(_MONTHS, start=1)}
_NAMES |= {name[:3]: number for name, number in _NAMES.items()} | {"sept": 9}
_MONTH = "|".join(sorted(_NAMES, key=len, reverse=True))
_DAY = "(?:mon|tue|tues|wed|wednes|thu|thur|thurs|fri|sat|satur|sun)(?:day)?"

DATE_LIKE = (
    rf"(?i)^(?:[0{FIRST_ZERO} ,./:+-]|{_MONTH}|{_DAY}|st|nd|rd|th|t|z|utc|gmt|[ap]\.?m\.?)+$"
)
"""Of shapes (`text_shapes`): what is no date does not match, though some of what does is none."""

_TIME = (
    r"(?:(?:t|,? )(?P<hour>00?):(?P<minute>00)(?::(?P<second>00)(?:[.,](?P<fraction>0{1,9}))?)?"
    r"(?: ?(?P<half>[ap])\.?m\.?)?"
    r"(?: ?(?P<zone>z|utc|gmt|(?P<zone_sign>[+-])(?P<zone_hour>00)(?::?(?P<zone_minute>00))?))?)?"
)
_D = f"[0{FIRST_ZERO}]"
"""The first digit of a shape."""
_PATTERNS: tuple[tuple[DateForm, str], ...] = (
    ("year_first", rf"(?P<year>{_D}000)(?P<s>[-/.])(?P<month>00?)(?P=s)(?P<day>00?){_TIME}"),
    ("year_first", rf"(?P<year>{_D}000)[-/](?P<month>00)"),
    ("two_orders", rf"(?P<part_1>{_D}0?)(?P<s>[-/.])(?P<part_2>00?)(?P=s)(?P<year>0000){_TIME}"),
    ("short_year", rf"(?P<part_1>{_D}0?)(?P<s>[-/.])(?P<part_2>00?)(?P=s)(?P<year>00){_TIME}"),
    (
        "name",
        rf"(?:{_DAY},? )?(?P<day>{_D}0?)(?:st|nd|rd|th|\.)?[ -]?(?P<name>{_MONTH})[.,]?[ -]?"
        rf"(?P<year>0000|00){_TIME}",
    ),
    (
        "name",
        rf"(?:{_DAY},? )?(?P<name>{_MONTH})\.? (?P<day>{_D}0?)(?:st|nd|rd|th)?,? "
        rf"(?P<year>0000){_TIME}",
    ),
    ("digits", rf"(?P<year>{_D}000)(?:(?P<month>00)(?P<day>00))?"),
)
_FORMS = tuple((form, re.compile(text.encode(), re.IGNORECASE)) for form, text in _PATTERNS)

_DAYS_OF_MONTH = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])


class DateShape(NamedTuple):
    """A shape as a date: its form and where its parts stand, in bytes."""

    form: DateForm
    spans: dict[str, tuple[int, int]]
    """Of the parts that it has."""
    month: int
    """The month that it names; 0 where it names none."""
    is_afternoon: bool | None
    """None where it has all 24 hours."""
    separator: bytes
    """Between its numbers; empty where it has none."""
    zone_sign: int
    """0 where it names no zone, or UTC."""

    @property
    def has_time(self) -> bool:
        """Whether it has a time of day."""
        return "hour" in self.spans

    @property
    def has_zone(self) -> bool:
        """Whether it says where its time is the time."""
        return "zone" in self.spans


@lru_cache(maxsize=1 << 16)
def date_shape(shape: bytes) -> DateShape | None:
    """How a shape is a date; none where it is none."""
    for form, pattern in _FORMS:
        match = pattern.fullmatch(shape)
        if match is not None:
            parts = {name: text for name, text in match.groupdict().items() if text is not None}
            half = parts.get("half")
            return DateShape(
                form=form,
                spans={name: match.span(name) for name in parts},
                month=_NAMES[parts["name"].decode().lower()] if "name" in parts else 0,
                is_afternoon=None if half is None else half.lower() == b"p",
                separator=parts.get("s", b""),
                zone_sign={b"+": 1, b"-": -1}.get(parts.get("zone_sign", b""), 0),
            )
    return None


class DateGroup(NamedTuple):
    """The dates of one shape: at which positions [n], and what instant each is in each order."""

    shape: DateShape
    rows: NDArray[np.int64]
    microseconds: dict[DateOrder, NDArray[np.int64]]
    """Since 1970, UTC, [n]; orders in which the shape is no date are not here."""
    exists: dict[DateOrder, NDArray[np.bool_]]
    """Whether a calendar has it, [n]."""


def date_groups(shaped: ShapedTexts) -> Iterator[DateGroup]:
    """Those texts that are of a date's shape, shape by shape."""
    for shape, rows in shaped.groups():
        found = date_shape(shape)
        if found is not None:
            yield _group(found, rows, shaped.bytes_of(shape, rows))


def parse_dates(texts: pa.Array, order: DateOrder) -> NDArray[np.float64]:
    """Seconds since 1970, UTC, [N] of texts without null; NaN for what is no date in an order.

    Dates with the year first or the month's name are dates in every order. Of fractions of a
    second microseconds count.
    """
    seconds = np.full(len(texts), np.nan)
    for group in date_groups(ShapedTexts(texts, DATE_LIKE)):
        if order in group.exists:
            exists = group.exists[order]
            seconds[group.rows[exists]] = group.microseconds[order][exists] / 1e6
    return seconds


def _group(shape: DateShape, rows: NDArray[np.int64], cells: NDArray[np.uint8]) -> DateGroup:
    def part(name: str) -> NDArray[np.int64]:
        return numbers_at(cells, shape.spans.get(name, (0, 0)))

    time, is_time = _time_of_day(shape, cells)
    year = part("year")
    candidates: dict[DateOrder, tuple[NDArray[np.int64], ...]] = {}
    if shape.form in ("two_orders", "short_year"):
        first, second = part("part_1"), part("part_2")
        full = _full_year(year) if shape.form == "short_year" else year
        candidates["dmy"] = (full, second, first)
        candidates["mdy"] = (full, first, second)
        if shape.form == "short_year":
            candidates["ymd"] = (_full_year(first), second, year)
    else:
        has_short_year = shape.spans["year"][1] - shape.spans["year"][0] == 2
        full = _full_year(year) if has_short_year else year
        one = np.ones_like(year)
        month = part("month") if "month" in shape.spans else one * max(shape.month, 1)
        date = (full, month, part("day") if "day" in shape.spans else one)
        candidates = dict.fromkeys(DATE_ORDERS, date)
    days = {order: _days(*date) for order, date in candidates.items()}
    return DateGroup(
        shape,
        rows,
        {order: 86_400_000_000 * number + time for order, (number, _) in days.items()},
        {order: is_day & is_time for order, (_, is_day) in days.items()},
    )


def _time_of_day(
    shape: DateShape, cells: NDArray[np.uint8]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Microseconds since midnight UTC [n], and whether a clock shows that time [n]."""

    def part(name: str) -> NDArray[np.int64]:
        return numbers_at(cells, shape.spans.get(name, (0, 0)))

    hour, minute, second = part("hour"), part("minute"), part("second")
    exists = (minute < 60) & (second < 60)
    if shape.is_afternoon is None:
        exists &= hour < 24
    else:
        exists &= (hour >= 1) & (hour <= 12)
        hour = hour % 12 + 12 * shape.is_afternoon
    first, last = shape.spans.get("fraction", (0, 0))
    fraction = numbers_at(cells, (first, min(last, first + 6))) * 10 ** max(0, 6 - (last - first))
    offset = shape.zone_sign * (60 * part("zone_hour") + part("zone_minute"))
    time = 1_000_000 * (3600 * hour + 60 * (minute - offset) + second) + fraction
    return time, exists


def _full_year(year: NDArray[np.int64]) -> NDArray[np.int64]:
    """Years of two digits as POSIX and Python's strptime read them."""
    return np.where(year < 69, 2000 + year, 1900 + year)


def _days(
    year: NDArray[np.int64], month: NDArray[np.int64], day: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Days since 1970-01-01 in the Gregorian calendar, and whether it has such a day."""
    is_month = (month >= 1) & (month <= 12)
    some_month = np.where(is_month, month, 1)
    is_leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    last = _DAYS_OF_MONTH[some_month] + ((some_month == 2) & is_leap)
    months = ((year - 1970) * 12 + some_month - 1).astype("datetime64[M]")
    days = months.astype("datetime64[D]").astype(np.int64) + day - 1
    return days, is_month & (day >= 1) & (day <= last) & (year >= 1)
