"""What the columns of a table are, decided together once all rows went by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from hpsearch.errors import FieldError, InvalidInput
from hpsearch.spec.language.fields import TargetKind
from hpsearch.spec.wire.upload import ColumnInfo
from hpsearch.training.uploads.column_decision import Decision, distinct_values
from hpsearch.training.uploads.column_rules import decide_column
from hpsearch.training.uploads.conventions import conventions_of
from hpsearch.training.uploads.read_options import column_remedy
from hpsearch.training.uploads.survey import ColumnSurvey
from hpsearch.training.uploads.target_rules import Target, decide_target

MAX_ERRORS = 50
"""The most columns whose faults are explained one by one; the others are counted."""


class DecisionContext(NamedTuple):
    """What the cells alone do not show."""

    first_row: int = 1
    """What the first row is called in messages: 2 in CSV, whose header is row 1."""
    is_semicolon: bool = False
    """Whether semicolons separate the fields, as where the comma is the decimal sign."""
    needs_features: bool = True
    """Whether one of the columns must be learned from; not where images are."""


@dataclass(frozen=True)
class Decisions:
    """What the columns of a table are, and what is learned."""

    columns: tuple[ColumnInfo, ...]
    """All columns, in the file's order, the target among them."""
    warnings: tuple[str, ...]
    target: TargetKind
    """`none` where no column is the target."""
    classes: Target
    """Empty unless the target is one of classes."""


def decide(surveys: Sequence[ColumnSurvey], context: DecisionContext) -> Decisions:
    """Decides what each column is, how its cells are read, and what it is for.

    Args:
        surveys: of all columns, in the file's order; each has what a person said of it.
        context: what the cells alone do not show.

    Raises:
        InvalidInput: naming every column that is wrong, or why there is nothing to learn from.
    """
    file = conventions_of(surveys, is_semicolon=context.is_semicolon)
    found = [decide_column(survey, file, context.first_row) for survey in surveys]
    classes = Target()
    target: TargetKind = "none"
    for place, survey in enumerate(surveys):
        if survey.is_target:
            found[place], classes = decide_target(survey, found[place], context.first_row)
            target = "classes" if classes.class_names else "numbers"
    errors = [error for decision in found for error in decision.errors]
    if errors:
        raise InvalidInput(_shortened(errors))
    is_learned = context.needs_features and target != "none"
    if is_learned and not any(decision.role == "feature" for decision in found):
        found = _with_row_numbers(surveys, found)
    infos = tuple(map(_info, surveys, found))
    warnings = tuple(warning for decision in found for warning in decision.warnings)
    return Decisions(infos, warnings, target, classes)


def _info(survey: ColumnSurvey, decision: Decision) -> ColumnInfo:
    return ColumnInfo(
        name=survey.name,
        kind=decision.kind,
        role=decision.role,
        why=decision.why,
        missing=survey.missing,
        distinct=distinct_values(survey, decision),
        examples=tuple(survey.examples),
        parts=survey.parts,
        reading=decision.reading,
    )


def _with_row_numbers(surveys: Sequence[ColumnSurvey], found: list[Decision]) -> list[Decision]:
    """Learns from whole numbers that look like identifiers, where there is nothing else.

    Raises:
        InvalidInput: when there is none of these either.
    """
    if not any(decision.is_number_of_row for decision in found):
        raise InvalidInput([FieldError("file", _nothing_left(surveys, found))])
    return [
        replace(
            decision,
            kind="number",
            role="feature",
            why="",
            warnings=(
                f"{survey.name} looks like an identifier ({decision.why}), and is learned from all "
                "the same, as no other column is",
            ),
        )
        if decision.is_number_of_row
        else decision
        for survey, decision in zip(surveys, found, strict=True)
    ]


def _nothing_left(surveys: Sequence[ColumnSurvey], found: Sequence[Decision]) -> str:
    others = [
        (survey.name, decision.why)
        for survey, decision in zip(surveys, found, strict=True)
        if decision.role != "target"
    ]
    if not others:
        return "a table must have a column to learn from beside the target, and it has none"
    listed = "; ".join(f"{name} ({why})" for name, why in others[:10])
    return (
        "a table must have a column to learn from beside the target, and all are left out: "
        f"{listed}; add one, or say {column_remedy(others[0][0], 'category')}"
    )


def _shortened(errors: list[FieldError]) -> list[FieldError]:
    more = len(errors) - MAX_ERRORS
    if more <= 0:
        return errors
    return [*errors[:MAX_ERRORS], FieldError("", f"and {more} more columns; mend these first")]
