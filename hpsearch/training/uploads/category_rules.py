"""Columns of text: categories, free text, identifiers."""

from __future__ import annotations

from collections import defaultdict

from hpsearch.spec.language.messages import format_value
from hpsearch.spec.wire.upload import ColumnReading
from hpsearch.training.uploads.column_decision import Decision, are_different
from hpsearch.training.uploads.number_formats import NumberFormat
from hpsearch.training.uploads.survey import ColumnSurvey

MAX_CATEGORIES = 256
"""Of a feature: each of the most frequent becomes an input of its own."""
NEARLY_ALL = 0.9
"""Of at least LEAST_ROWS rows with a value, whose different texts identify them."""
MOSTLY = 0.5
"""Of the rows, whose different texts are two rows each at most: too few to learn from."""
LEAST_ROWS = 20
"""With a value, for different texts to be identifiers rather than few rows of categories."""
WORDS_OF_TEXT = 4
CHARACTERS_OF_TEXT = 50


def category_column(
    survey: ColumnSurvey, why: str = "", *, is_asked: bool = False, form: NumberFormat | None = None
) -> Decision:
    """A column of text, or of what is named so; `form`: all are numbers, of equal value alike."""
    reading = ColumnReading(kind="category")
    if form is not None:
        reading = ColumnReading(
            kind="category", by_value=True, decimal=form.decimal, thousands=form.thousands
        )
    warnings = case_warnings(survey)
    different = f"{survey.distinct:,} different values in {survey.present:,} rows"
    if not is_asked:
        words = survey.texts.words / survey.present
        is_long = (
            words >= WORDS_OF_TEXT or survey.texts.characters / survey.present >= CHARACTERS_OF_TEXT
        )
        if is_long and survey.distinct >= LEAST_ROWS / 2 and are_different(survey, MOSTLY):
            is_text = f"free text: {words:.0f} words on average, {different}"
            return Decision("text", reading, "ignored", "; ".join(filter(None, (is_text, why))))
        if (are_different(survey, NEARLY_ALL) and survey.present >= LEAST_ROWS) or (
            are_different(survey, MOSTLY) and survey.distinct >= 2 * LEAST_ROWS
        ):
            is_id = f"identifier: {different}"
            return Decision("id", reading, "ignored", "; ".join(filter(None, (is_id, why))))
    if survey.distinct > MAX_CATEGORIES:
        wide = (
            f"{different}: of the training rows' the {MAX_CATEGORIES} most frequent are inputs, "
            "the others count as none of these"
        )
        why = "; ".join(filter(None, (why, wide)))
    return Decision("category", reading, why=why, warnings=warnings)


def case_warnings(survey: ColumnSurvey) -> tuple[str, ...]:
    """A warning for texts that differ by case or by spaces alone."""
    texts = survey.values if survey.is_target else survey.texts.rows_of
    alike: defaultdict[str, list[str]] = defaultdict(list)
    for text in texts or ():
        alike[" ".join(text.casefold().split())].append(text)
    groups = [sorted(group) for group in alike.values() if len(group) > 1]
    if not groups:
        return ()
    shown = ", ".join(" and ".join(map(format_value, group)) for group in groups[:3])
    more = f" and {len(groups) - 3} more such groups" if len(groups) > 3 else ""
    return (
        f"{survey.name}: {shown}{more} differ by case or spaces alone and are different "
        f"{'classes' if survey.is_target else 'categories'}; write them alike if they mean one",
    )
