"""A decision about a column, and the sentences that refuse one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hpsearch.errors import FieldError
from hpsearch.spec.language.messages import format_value, pluralize
from hpsearch.spec.wire.upload import ColumnKind, ColumnReading, ColumnRole, ColumnUse
from hpsearch.training.uploads.read_options import column_remedy
from hpsearch.training.uploads.survey import ColumnSurvey
from hpsearch.training.uploads.tallies import Cell


@dataclass(frozen=True)
class Decision:
    """What was decided of a column."""

    kind: ColumnKind
    reading: ColumnReading | None
    role: ColumnRole = "feature"
    why: str = ""
    warnings: tuple[str, ...] = ()
    errors: tuple[FieldError, ...] = ()
    is_number_of_row: bool = False
    """Whether it is left out as an identifier, though a number that could be learned from."""


def distinct_values(survey: ColumnSurvey, found: Decision) -> int:
    """Different values as the column is read: truth values in any case are two."""
    if found.reading is not None and found.reading.kind == "boolean":
        return sum(count > 0 for count in survey.texts.truths.values())
    return survey.distinct


def are_different(survey: ColumnSurvey, share: float) -> bool:
    """Whether there are more different values than this share of the rows with one."""
    # What is estimated lies within 15 % for the smallest sketch.
    needed = share if survey.is_distinct_exact else 0.85 * share
    return survey.distinct > needed * survey.present


def fault(
    survey: ColumnSurvey,
    kind: str,
    cell: Cell | None,
    faults: int,
    first_row: int,
    remedies: Sequence[ColumnUse],
) -> Decision:
    """Refuses a column of numbers or dates for the cells that are none.

    Args:
        survey: the column's counts.
        kind: `numbers` or `dates`.
        cell: the first that is none.
        faults: how many are none.
        first_row: what the first row is called in messages.
        remedies: what may be said of the column instead.
    """
    if cell is None:
        raise AssertionError("a column with faults has a first one")
    what = "finite numbers" if kind == "numbers" else kind
    others = f" ({pluralize(faults, 'such row')} of {survey.present:,})" if faults > 1 else ""
    return refuse(
        survey,
        f"a column of {kind} must hold {what} and nothing else, and column {survey.name}, row "
        f"{cell.row + first_row} has {format_value(cell.text)}{others}; correct it, leave it "
        f"empty, or say {column_remedy(survey.name, *remedies)}",
    )


def refuse(survey: ColumnSurvey, sentence: str) -> Decision:
    """A decision that a column cannot be read as it is."""
    error = FieldError(f"columns.{survey.name}", sentence)
    return Decision("category", ColumnReading(kind="category"), errors=(error,))
