"""What a column is: its kind, what it is for, how its cells are read, and why.

A person's word goes first: `number`, `category`, `date` are honoured or refused with the first
cell that is none; an ignored column is described all the same, as a split may name it. Else all
its cells decide:

    true and false in any case                      boolean
    mostly numbers in one format                    number; the other cells are faults
    digits with zeros in front                      category (codes)
    whole numbers that count the rows, or are all
    different and named id, or too long for float64 id, left out
    mostly dates in one order                       date; the other cells are faults
    other text, nearly all of it different          text (of several words) or id, left out
    any other text                                  category
    one value or none                               constant, left out
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hpsearch.spec.language.messages import format_value
from hpsearch.spec.wire.upload import ColumnReading, ColumnUse
from hpsearch.training.uploads.category_rules import category_column
from hpsearch.training.uploads.column_decision import Decision, distinct_values, fault, refuse
from hpsearch.training.uploads.conventions import Conventions, choose_format, choose_order
from hpsearch.training.uploads.number_formats import FORMATS, NumberFormat
from hpsearch.training.uploads.number_rules import number_column
from hpsearch.training.uploads.read_options import column_remedy
from hpsearch.training.uploads.survey import ColumnSurvey

MOST_FAULTS = 0.1
"""Of the cells, beside numbers or dates, for them to be faults rather than another kind."""
FEW_FAULT_TEXTS = 5
"""Different texts, such as `unknown`, that are faults however often they stand there."""


def decide_column(survey: ColumnSurvey, file: Conventions, first_row: int) -> Decision:
    """What a column is.

    Args:
        survey: its counts.
        file: how the file's other columns are written.
        first_row: what the first row is called in messages.
    """
    if survey.use == "ignore":
        found = _by_cells(survey, file, first_row)
        if found.errors:
            found = replace(found, kind="category", reading=ColumnReading(kind="category"))
        return replace(found, role="ignored", why="ignored, as asked", warnings=(), errors=())
    if survey.cell_type == "nested":
        return refuse(
            survey,
            f"a column must hold numbers, text, truth values or dates, and {survey.name} holds "
            f"{survey.type_name}; spread it over columns, or say "
            f"{column_remedy(survey.name, 'ignore')}",
        )
    if survey.parts:
        rows = ", ".join(f"{part} {count:,}" for part, count in survey.parts.items())
        reading = ColumnReading(kind="category")
        return Decision("category", reading, "split", f"says which part a row is of: {rows}")
    if survey.present and survey.use is not None:
        return _as_asked(survey, survey.use, file, first_row)
    return _by_cells(survey, file, first_row)


def _by_cells(survey: ColumnSurvey, file: Conventions, first_row: int) -> Decision:
    if not survey.present:
        return Decision("constant", None, "ignored", "empty: no row has a value")
    found = _kind_by_cells(survey, file, first_row)
    if distinct_values(survey, found) == 1 and not found.errors:
        which = "every row" if not survey.missing else f"every one of the {survey.present:,} values"
        return Decision(
            "constant", found.reading, "ignored", f"constant: {which} is {survey.examples[0]}"
        )
    return found


def _kind_by_cells(survey: ColumnSurvey, file: Conventions, first_row: int) -> Decision:
    numbers, dates = survey.numbers, survey.dates
    if sum(survey.texts.truths.values()) == survey.present:
        return Decision("boolean", ColumnReading(kind="boolean"))
    if survey.cell_type == "date":
        return Decision("date", ColumnReading(kind="date"))
    if survey.cell_type == "nested":
        return category_column(survey)
    if numbers.padded and numbers.integers == int(numbers.readable.max()):
        why = f"codes with zeros in front, such as {numbers.first_padded}: no numbers"
        return category_column(survey, why)
    count = int(numbers.readable.max())
    if survey.cell_type == "number" or _are_mostly(count, survey):
        return number_column(survey, file, first_row, remedies=("category", "ignore"))
    if _are_mostly(max(dates.readable.values()), survey):
        return _date(survey, file, first_row, remedies=("category", "ignore"))
    found = category_column(survey)
    if 2 * count > survey.present:
        why = f"{survey.present - count:,} of {survey.present:,} values are no numbers"
        warning = f"{survey.name}: {why}, such as {_first_text(survey)}, so it is one of text"
        found = replace(
            found,
            why="; ".join(filter(None, (found.why, why))),
            warnings=(*found.warnings, warning),
        )
    return found


def _first_text(survey: ColumnSurvey) -> str:
    """The first cell that is no number in the format of most."""
    best = int(survey.numbers.readable.argmax())
    cell = survey.numbers.first_unreadable[best]
    return format_value(cell.text if cell is not None else "")


def _as_asked(survey: ColumnSurvey, use: ColumnUse, file: Conventions, first_row: int) -> Decision:
    is_boolean = sum(survey.texts.truths.values()) == survey.present
    if use == "category":
        if is_boolean:
            return Decision("boolean", ColumnReading(kind="boolean"))
        return category_column(survey, is_asked=True, form=_format_of_all(survey, file))
    if is_boolean:
        return refuse(
            survey,
            f"{survey.name} must hold {use}s, and it holds true and false; say nothing of it",
        )
    if use == "number":
        if survey.cell_type == "date":
            return refuse(
                survey,
                f"{survey.name} must hold numbers, and it holds dates; say "
                f"{column_remedy(survey.name, 'date')}",
            )
        return number_column(
            survey, file, first_row, is_asked=True, remedies=("category", "ignore")
        )
    if survey.cell_type == "date":
        return Decision("date", ColumnReading(kind="date"))
    return _date(survey, file, first_row, remedies=("category", "ignore"))


def _date(
    survey: ColumnSurvey, file: Conventions, first_row: int, remedies: Sequence[ColumnUse]
) -> Decision:
    dates = survey.dates
    order, note, is_guess = choose_order(dates, file)
    count = dates.readable[order]
    if count < survey.present:
        cell = dates.first_unreadable[order]
        return fault(survey, "dates", cell, survey.present - count, first_row, remedies)
    warnings: tuple[str, ...] = ()
    if is_guess:
        warnings += (f"{survey.name}: {note}; that is a guess, write 2024-05-31 to be sure",)
    if 0 < dates.with_zone < dates.with_time:
        rest = dates.with_time - dates.with_zone
        warnings += (
            f"{survey.name}: {dates.with_zone:,} times name a zone and {rest:,} do not, which are "
            "read as UTC",
        )
    return Decision(
        "date", ColumnReading(kind="date", date_order=order), why=note, warnings=warnings
    )


def _are_mostly(count: int, survey: ColumnSurvey) -> bool:
    """Whether so many cells make the column's kind, and the others faults."""
    if 2 * count <= survey.present:
        return False
    faults = survey.present - count
    texts = survey.texts.rows_of
    are_few = texts is not None and len(texts) <= FEW_FAULT_TEXTS
    return are_few or faults <= MOST_FAULTS * survey.present


def _format_of_all(survey: ColumnSurvey, file: Conventions) -> NumberFormat | None:
    """The format in which all cells are numbers, none of which has zeros in front."""
    if survey.cell_type == "date" or survey.numbers.padded:
        return None
    form, _, _ = choose_format(survey.numbers, file)
    count = int(survey.numbers.readable[FORMATS.index(form)])
    return form if count == survey.present else None
