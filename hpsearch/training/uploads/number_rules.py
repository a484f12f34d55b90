"""Columns of numbers: their format, and those whole numbers that identify rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from hpsearch.spec.wire.upload import ColumnReading, ColumnUse
from hpsearch.training.uploads.column_decision import Decision, are_different, fault
from hpsearch.training.uploads.conventions import Conventions, choose_format
from hpsearch.training.uploads.date_formats import parse_dates
from hpsearch.training.uploads.number_formats import FORMATS
from hpsearch.training.uploads.read_options import column_remedy
from hpsearch.training.uploads.survey import ColumnSurvey

COUNTING_ROWS = 100
"""From so many on, whole numbers that count the rows from anywhere are no year or the like."""
NEARLY_ALL = 0.9
"""Of the rows with a value, whose different values identify them."""
MOSTLY = 0.5
"""The same, of numbers that are too long to be anything else."""
ID_WORDS = frozenset(
    {
        "id", "ids", "uid", "uuid", "guid", "pk", "key", "index", "idx", "rowid", "rownum",
        "rownumber", "identifier", "nr", "unnamed",
    }
)  # fmt: skip
ID_ENDING = re.compile(
    r"(?:account|case|client|customer|employee|event|house|item|loan|member|object|order|passenger|"
    r"patient|person|policy|post|product|property|record|row|sample|session|student|subject|"
    r"transaction|user)(?:id|no|nr|key|number)$"
)


def number_column(
    survey: ColumnSurvey,
    file: Conventions,
    first_row: int,
    *,
    remedies: Sequence[ColumnUse],
    is_asked: bool = False,
) -> Decision:
    """A column of numbers; `is_asked`: a person said so, and nothing is left out."""
    numbers, name = survey.numbers, survey.name
    form, note, is_guess = choose_format(numbers, file)
    count = int(numbers.readable[FORMATS.index(form)])
    if count < survey.present:
        cell = numbers.first_unreadable[FORMATS.index(form)]
        return fault(survey, "numbers", cell, survey.present - count, first_row, remedies)
    reading = ColumnReading(kind="number", decimal=form.decimal, thousands=form.thousands)
    units = " and ".join(numbers.units)
    warnings = _unit_warnings(survey)
    if units:
        note = "; ".join(filter(None, (note, f"in {units}, as written")))
    if is_guess:
        warnings += (f"{name}: {note}; that is a guess, write 1234.5 to be sure",)
    if not is_asked and are_like_dates(survey.examples):
        remedy = column_remedy(name, "date")
        warnings += (f"{name}: {survey.examples[0]} looks like a date; if it is, say {remedy}",)
    found = Decision("number", reading, why=note, warnings=warnings)
    if numbers.inexact and not is_asked:
        return _long_integers(survey)
    if numbers.inexact:
        losses = f"{numbers.inexact:,} of {survey.present:,} whole numbers"
        warning = f"{name}: {losses} lose digits, as {numbers.first_inexact} does (past 2^53)"
        return replace(found, warnings=(*warnings, warning), why=f"{losses} lose digits")
    if is_asked or numbers.units or survey.present == 1 or numbers.whole < survey.present:
        return found
    why = _why_identifier(survey)
    if why:
        return Decision("id", reading, "ignored", why, is_number_of_row=True)
    return found


def _why_identifier(survey: ColumnSurvey) -> str:
    """Why whole numbers identify the rows; empty where they do not."""
    start = survey.counts_rows_from
    if start is not None and (start in (0, 1) or survey.present >= COUNTING_ROWS):
        return f"identifier: counts the rows from {start}"
    if is_name_of_id(survey.name) and are_different(survey, NEARLY_ALL):
        return (
            f"identifier by its name: {survey.distinct:,} different whole numbers in "
            f"{survey.present:,} rows"
        )
    return ""


def _long_integers(survey: ColumnSurvey) -> Decision:
    numbers = survey.numbers
    why = (
        f"{numbers.inexact:,} of {survey.present:,} whole numbers, such as "
        f"{numbers.first_inexact}, would lose digits as numbers (past 2^53)"
    )
    reading = ColumnReading(kind="category", by_value=True)
    warning = f"{survey.name}: {why}; "
    if are_different(survey, MOSTLY):
        warning += "it is left out as an identifier"
        return Decision("id", reading, "ignored", f"identifier: {why}", (warning,))
    warning += f"its {survey.distinct:,} values are categories"
    return Decision("category", reading, why=f"categories: {why}", warnings=(warning,))


def _unit_warnings(survey: ColumnSurvey) -> tuple[str, ...]:
    """A warning where numbers are of several currencies, or some of them percentages."""
    units = survey.numbers.units
    bare = survey.present - sum(units.values())
    if len(units) < 2 and not (bare and "%" in units):
        return ()
    counts = [f"{count:,} with {unit}" for unit, count in units.items()]
    counts += [f"{bare:,} without"] if bare else []
    return (f"{survey.name}: {', '.join(counts)}; all are read as they are written",)


def is_name_of_id(name: str) -> bool:
    """Whether a column's name says that it identifies rows: `id`, `UserId`, `order no`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    lower = re.split(r"[^a-z0-9]+", words.lower())
    return bool(ID_WORDS.intersection(lower)) or ID_ENDING.search("".join(lower)) is not None


def are_like_dates(examples: Sequence[str]) -> bool:
    """Whether whole numbers are days of this century or the last by their digits: 20240531."""
    import pyarrow as pa

    if not all(re.fullmatch("(?:19|20)[0-9]{6}", example) for example in examples):
        return False
    return bool(np.isfinite(parse_dates(pa.array(examples, pa.string()), "ymd")).all())
