"""What a target is: classes or numbers, by all its rows, and which classes there are.

Text and truth values are classes. Whole numbers are classes where they say so by themselves: two of
them; few, each on many rows; or counted from 0 or 1 and each on some. All else is numbers. A
person's word goes first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from hpsearch.errors import FieldError
from hpsearch.spec.language.messages import format_value, pluralize
from hpsearch.spec.wire.upload import ClassType, ColumnKind, ColumnReading
from hpsearch.training.uploads.column_decision import Decision
from hpsearch.training.uploads.read_options import column_remedy
from hpsearch.training.uploads.readings import read_keys
from hpsearch.training.uploads.survey import ColumnSurvey

MAX_CLASSES = 1000
TWO = 2
FEW_CLASSES = 20
ROWS_OF_CLASS = 10
"""On average, for whole numbers to be classes."""
ROWS_OF_COUNTED_CLASS = 3
"""The same, of at most FEW_CLASSES that count from 0 or 1."""
LEAST_SHARE = 0.1
"""Of the average number of rows, that every one of many classes has."""
RARE_ROWS = 3
"""A class with fewer is missing in training, validation or test."""
SMALL_SHARE = 0.05


class Judgement(NamedTuple):
    """Whether whole numbers are classes, and whether they could well be the other."""

    are_classes: bool
    is_guess: bool


@dataclass(frozen=True)
class Target:
    """What is learned."""

    class_names: tuple[str, ...] = ()
    """In a model's order: text alphabetic, numbers ascending, false before true; empty for
    numbers."""
    class_rows: tuple[int, ...] = ()
    """Rows of each."""
    class_type: ClassType = "text"


def judge_whole_numbers(values: Sequence[float], rows: Sequence[int]) -> Judgement:
    """Whether whole numbers are classes.

    Args:
        values: the different ones, ascending.
        rows: how many rows have each.
    """
    count, total = len(values), sum(rows)
    if count <= TWO:
        return Judgement(True, False)
    average = total / count
    if count <= FEW_CLASSES and average >= ROWS_OF_CLASS:
        return Judgement(True, True)
    if values[0] in (0, 1) and values[-1] - values[0] == count - 1:
        if count <= FEW_CLASSES and average >= ROWS_OF_COUNTED_CLASS:
            return Judgement(True, True)
        is_even = average >= ROWS_OF_CLASS and min(rows) >= LEAST_SHARE * average
        if count <= MAX_CLASSES and is_even:
            return Judgement(True, True)
    return Judgement(False, count <= MAX_CLASSES and average >= TWO)


def decide_target(survey: ColumnSurvey, found: Decision, first_row: int) -> tuple[Decision, Target]:
    """What a target is.

    Args:
        survey: its counts.
        found: what the column would be as a feature.
        first_row: what the first row is called in messages.
    """
    name = survey.name
    if survey.use == "ignore":
        return _refuse(
            found, f"{name} must not be ignored, as it is the target; say otherwise of it"
        )
    if found.errors:
        return found, Target()
    if found.reading is None or survey.first_missing is not None:
        row = first_row + (survey.first_missing or 0)
        others = f" ({survey.missing:,} rows have none)" if survey.missing > 1 else ""
        return _refuse(
            found,
            f"every row must have a target, and column {name}, row {row} has none{others}; "
            "fill it in or take the row out",
        )
    if found.reading.kind == "date":
        return _refuse(
            found,
            f"a target must hold classes or numbers, and {name} holds dates; choose another "
            f"column, or say {column_remedy(name, 'category')}",
        )
    return _classes_or_numbers(survey, replace_role(found))


def replace_role(found: Decision) -> Decision:
    """A decision as that of the target: nothing is left out of it."""
    return Decision(found.kind, found.reading, "target", "", found.warnings)


def _classes_or_numbers(survey: ColumnSurvey, found: Decision) -> tuple[Decision, Target]:
    reading = found.reading
    if reading is None:
        raise AssertionError("a target with values has a reading")
    are_numbers = found.kind in ("number", "id", "constant") and reading.kind == "number"
    is_by_value = are_numbers or reading.by_value
    by_value = reading.model_copy(update={"kind": "category", "by_value": True})
    if not is_by_value:
        return _classes(survey, found, reading, _text_type(reading))
    keys = _rows_of_keys(survey, by_value)
    if survey.use == "category":
        return _classes(survey, found, by_value, _number_type(survey))
    is_whole = _are_whole(keys)
    if survey.use == "number" or not is_whole or survey.numbers.units:
        return _numbers(survey, found, keys)
    judgement = judge_whole_numbers([float(key) for key in keys], list(keys.values()))
    if judgement.are_classes:
        warnings: tuple[str, ...] = ()
        if judgement.is_guess:
            warnings = (
                f"{survey.name} holds {len(keys):,} different whole numbers, which are read as "
                f"classes; if they are amounts, say {column_remedy(survey.name, 'number')}",
            )
        return _classes(survey, found, by_value, _number_type(survey), warnings)
    warnings = ()
    if judgement.is_guess:
        warnings = (
            f"{survey.name} holds {len(keys):,} different whole numbers, which are read as amounts "
            f"to predict; if they name classes, say {column_remedy(survey.name, 'category')}",
        )
    return _numbers(survey, found, keys, warnings)


def _numbers(
    survey: ColumnSurvey, found: Decision, keys: dict[str, int], warnings: tuple[str, ...] = ()
) -> tuple[Decision, Target]:
    reading = found.reading or ColumnReading(kind="number")
    if survey.distinct == 1 or len(keys) == 1:
        return _refuse(
            found,
            f"a target must vary, and every row of {survey.name} has {survey.examples[0]}; "
            "choose another column",
        )
    numbers = survey.numbers
    if numbers.inexact and survey.use is None:
        warnings += (
            f"{survey.name}: {numbers.inexact:,} of {survey.present:,} whole numbers lose digits, "
            f"as {numbers.first_inexact} does (past 2^53)",
        )
    reading = reading.model_copy(update={"kind": "number", "by_value": False})
    said = tuple(w for w in found.warnings if not numbers.inexact or survey.use is not None)
    return Decision("number", reading, "target", "numbers", said + warnings), Target()


def _classes(
    survey: ColumnSurvey,
    found: Decision,
    reading: ColumnReading,
    class_type: ClassType,
    warnings: tuple[str, ...] = (),
) -> tuple[Decision, Target]:
    name = survey.name
    keys = _rows_of_keys(survey, reading)
    count = len(keys) or survey.distinct
    if not keys or count > MAX_CLASSES:
        is_numeric = class_type in ("integer", "number")
        remedy = f", or say {column_remedy(name, 'number')}" if is_numeric else ""
        return _refuse(
            found,
            f"a target must have at most {MAX_CLASSES} classes, and {name} has {count:,}; choose "
            f"another column{remedy}",
        )
    if count == 1:
        return _refuse(
            found,
            f"a target must have at least two classes, and every row of {name} is "
            f"{format_value(next(iter(keys)))}; choose another column or add rows of other classes",
        )
    kind: ColumnKind = "boolean" if reading.kind == "boolean" else "category"
    said = found.warnings if not survey.numbers.inexact else ()
    warnings = said + warnings + _row_warnings(name, keys)
    why = f"{count:,} classes"
    target = Target(tuple(keys), tuple(keys.values()), class_type)
    return Decision(kind, reading, "target", why, warnings), target


def _row_warnings(name: str, rows_of: dict[str, int]) -> tuple[str, ...]:
    total = sum(rows_of.values())
    rare = [key for key, rows in rows_of.items() if rows < RARE_ROWS]
    if rare:
        shown = ", ".join(f"{format_value(key)} ({rows_of[key]})" for key in rare[:5])
        more = f" and {len(rare) - 5} more" if len(rare) > 5 else ""
        return (
            f"{name}: {pluralize(len(rare), 'class').replace('classs', 'classes')} with fewer than "
            f"{RARE_ROWS} rows, {shown}{more}: too few to train, validate and test with",
        )
    key, rows = min(rows_of.items(), key=lambda item: item[1])
    if rows < SMALL_SHARE * total and len(rows_of) <= FEW_CLASSES:
        return (
            f"{name}: class {format_value(key)} has {rows:,} of {total:,} rows; accuracy says "
            "little of it, val_f1, val_average_precision or val_balanced_accuracy more",
        )
    return ()


def _rows_of_keys(survey: ColumnSurvey, reading: ColumnReading) -> dict[str, int]:
    """Rows by class, in a model's order; empty where there are too many to have been counted."""
    import pyarrow as pa

    rows_of: dict[str, int] = {}
    texts = survey.values or {}
    keys = read_keys(reading, pa.array(list(texts), pa.string())).to_pylist()
    for key, rows in zip(keys, texts.values(), strict=True):
        rows_of[key] = rows_of.get(key, 0) + rows
    if not reading.by_value:
        return {key: rows_of[key] for key in sorted(rows_of)}
    return {key: rows_of[key] for key in sorted(rows_of, key=_exact_number)}


def _exact_number(key: str) -> float | int:
    """A number's value for sorting, exact for whole ones of any length."""
    try:
        return int(key)
    except ValueError:
        return float(key)


def _are_whole(keys: dict[str, int]) -> bool:
    return bool(keys) and all(isinstance(_exact_number(key), int) for key in keys)


def _number_type(survey: ColumnSurvey) -> ClassType:
    return "integer" if survey.numbers.integers == survey.present else "number"


def _text_type(reading: ColumnReading) -> ClassType:
    return "boolean" if reading.kind == "boolean" else "text"


def _refuse(found: Decision, sentence: str) -> tuple[Decision, Target]:
    error = FieldError("target", sentence)
    return Decision(found.kind, found.reading, "target", errors=(error,)), Target()
