"""A table of Python values, decided as an upload is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
import pytest

from hpsearch.errors import InvalidInput
from hpsearch.spec.wire.upload import ColumnInfo, ColumnUse
from hpsearch.training.uploads.cells import cells_of
from hpsearch.training.uploads.decisions import DecisionContext, Decisions, decide
from hpsearch.training.uploads.survey import ColumnSurvey

ROWS = 120


def decisions(
    columns: Mapping[str, Iterable[Any]],
    target: str | None = None,
    *,
    is_semicolon: bool = False,
    **uses: ColumnUse,
) -> Decisions:
    """What is decided of columns by name, of which a person said these uses."""
    surveys = []
    for name, values in columns.items():
        survey = ColumnSurvey(name, is_target=name == target, use=uses.get(name))
        survey.add(values if isinstance(values, pa.Array) else cells_of(values))
        surveys.append(survey)
    return decide(surveys, DecisionContext(first_row=2, is_semicolon=is_semicolon))


def column(values: Iterable[Any], name: str = "c", **options: Any) -> ColumnInfo:
    """What is decided of one column that is no target."""
    return decisions({name: values}, **options).columns[0]


def refusal(columns: Mapping[str, Iterable[Any]], target: str | None = None, **options: Any):
    """The errors of a table that is refused: sentence by path."""
    with pytest.raises(InvalidInput) as caught:
        decisions(columns, target, **options)
    return {error.path: error.message for error in caught.value.errors}
