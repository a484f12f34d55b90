"""How a column's numbers and dates are written, decided by all its rows and by its neighbours.

`1,234` may be 1234 or 1.234, and `3/4/2024` in March or in April. Where a column's own cells leave
it open, other columns of the file and its delimiter decide; what is still a guess is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from hpsearch.training.uploads.cells import float_texts
from hpsearch.training.uploads.date_formats import DateOrder, parse_dates
from hpsearch.training.uploads.number_formats import FORMATS, NumberFormat, parse_numbers
from hpsearch.training.uploads.survey import ColumnSurvey
from hpsearch.training.uploads.tallies import DateTally, NumberTally

PLAIN = FORMATS[0]
_ORDER_WORDS: dict[DateOrder, str] = {
    "ymd": "year first",
    "dmy": "day first",
    "mdy": "month first",
}


class Conventions(NamedTuple):
    """What the columns of a file that leave nothing open show of the others."""

    proves_comma: bool = False
    """Some column has decimal commas, and none has decimal points."""
    proves_point: bool = False
    """Some column has decimal points, and none has decimal commas."""
    is_semicolon: bool = False
    """Fields are separated by semicolons, as where the comma is the decimal sign."""
    date_order: DateOrder | None = None
    """Of the columns whose order is certain; none where there is none, or they differ."""

    @property
    def is_european(self) -> bool:
        """Whether a comma rather separates decimals, and a date rather begins with the day."""
        return self.proves_comma or (self.is_semicolon and not self.proves_point)


def conventions_of(surveys: Sequence[ColumnSurvey], *, is_semicolon: bool) -> Conventions:
    """What a file's columns show together."""
    decimals: set[str] = set()
    orders: set[DateOrder] = set()
    for survey in surveys:
        count = int(survey.numbers.readable.max())
        if survey.cell_type == "text" and 2 * count > survey.present:
            signs = {form.decimal for form in _best_formats(survey.numbers)}
            decimals |= signs if len(signs) == 1 else set()
        dates = survey.dates.readable
        if survey.cell_type == "text" and 2 * max(dates.values()) > survey.present:
            if dates["dmy"] > max(dates["mdy"], dates["ymd"]):
                orders.add("dmy")
            elif dates["mdy"] > max(dates["dmy"], dates["ymd"]):
                orders.add("mdy")
    return Conventions(
        proves_comma=decimals == {","},
        proves_point=decimals == {"."},
        is_semicolon=is_semicolon,
        date_order=orders.pop() if len(orders) == 1 else None,
    )


def choose_format(tally: NumberTally, file: Conventions) -> tuple[NumberFormat, str, bool]:
    """The format in which most of a column's cells are numbers.

    Returns:
        The format, what is to be said of it, and whether it is a guess.
    """
    best = _best_formats(tally)
    if PLAIN in best:
        points = NumberFormat(",", ".")
        if NumberFormat(",", "") not in best and points in best and file.proves_comma:
            example = _example(tally, NumberFormat(",", ""), points)
            return points, f"points group digits ({example}), as other columns have commas", True
        is_open = NumberFormat(",", "") not in best and points in best and file.is_european
        if is_open:
            example = _example(tally, NumberFormat(",", ""), PLAIN)
            return PLAIN, f"decimal points ({example}), though points may group digits here", True
        return PLAIN, "", False
    comma, grouped = NumberFormat(",", ""), NumberFormat(".", ",")
    if comma in best and grouped in best:
        if file.is_european:
            reason = (
                "as in other columns" if file.proves_comma else "as semicolons separate the fields"
            )
            return comma, f"decimal commas ({_example(tally, PLAIN, comma)}), {reason}", True
        reason = "as other columns have decimal points" if file.proves_point else "not decimals"
        return grouped, f"commas group digits ({_example(tally, PLAIN, grouped)}), {reason}", True
    sign = "," if file.is_european else "."
    form = next((form for form in best if form.decimal == sign), best[0])
    return form, f"numbers such as {_example(tally, PLAIN, form)}", False


def choose_order(tally: DateTally, file: Conventions) -> tuple[DateOrder, str, bool]:
    """The order in which most of a column's cells are dates.

    Returns:
        The order, what is to be said of it, and whether it is a guess.
    """
    most = max(tally.readable.values())
    best = [order for order, count in tally.readable.items() if count == most]
    if not tally.first_of_two_orders or best == ["ymd"]:
        return "ymd", "", False
    if "dmy" not in best or "mdy" not in best:
        order = best[0]
        return order, _date_example(tally, order), False
    if tally.with_dots:
        return "dmy", f"{_date_example(tally, 'dmy')}, as always with points", False
    if file.date_order is not None:
        order, reason = file.date_order, "as in another column"
    elif file.is_european:
        order, reason = "dmy", "as numbers have decimal commas"
        if not file.proves_comma:
            reason = "as semicolons separate the fields"
    else:
        order, reason = "mdy", "as no date of the file shows the order"
    return order, f"{_date_example(tally, order)}, {reason}", True


def _best_formats(tally: NumberTally) -> list[NumberFormat]:
    most = tally.readable.max()
    return [form for form, count in zip(FORMATS, tally.readable, strict=True) if count == most]


def _example(tally: NumberTally, other: NumberFormat, form: NumberFormat) -> str:
    """A cell that is no number in another format, and what it is in this one."""
    import pyarrow as pa

    cell = tally.first_unreadable[FORMATS.index(other)]
    text = cell.text if cell is not None else ""
    value = float_texts(pa.array(parse_numbers(pa.array([text]), form), from_pandas=True))
    return f"{text} is {value[0].as_py()}" if value[0].is_valid else text


def _date_example(tally: DateTally, order: DateOrder) -> str:
    """The first cell that could be two dates, and which it is in an order."""
    import pyarrow as pa

    text = tally.first_of_two_orders
    seconds = parse_dates(pa.array([text]), order)[0]
    day = str(np.datetime64(int(seconds), "s"))[:10] if np.isfinite(seconds) else "no date"
    return f"{_ORDER_WORDS[order]} ({text} is {day})"
