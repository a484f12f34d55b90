"""Trials as a table: sorted by any column, filtered by conditions, counted, and read by pages.

A column is a trial's own (`number`, `value`, `epochs_done`, `stage`, `attempt`), one of the study's
parameters by its name, or a metric of the last epoch. Trials without a value in the sorted column
come last.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Double, case, cast, func, literal, null, select
from sqlalchemy.orm import Session

from hpsearch.errors import InvalidInput
from hpsearch.spec.language.distributions import Choice
from hpsearch.spec.language.messages import format_value
from hpsearch.spec.language.states import TrialState
from hpsearch.spec.metrics import is_plain_name
from hpsearch.spec.space.space import SearchSpace
from hpsearch.spec.wire.filters import Condition
from hpsearch.spec.wire.records import Trial
from hpsearch.store import trials
from hpsearch.store.tables import TrialRow

OWN: Mapping[str, ColumnElement[Any]] = {
    "number": TrialRow.number.expression,
    "value": TrialRow.value.expression,
    "epochs_done": TrialRow.epochs_done.expression,
    "stage": TrialRow.stage.expression,
    "attempt": TrialRow.attempt.expression,
}
_OPERATIONS: Mapping[str, Callable[[Any, Any], ColumnElement[bool]]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
    "=": operator.eq, "!=": operator.ne,
}  # fmt: skip


@dataclass(frozen=True)
class Request:
    """What of the table is wanted; `sort` after a minus is from the highest down."""

    sort: str = "number"
    state: TrialState | None = None
    conditions: tuple[Condition, ...] = ()
    page: int = 1
    """From 1 on."""
    size: int = 50


@dataclass(frozen=True)
class TrialTable:
    """A page of it."""

    trials: list[Trial]
    matching: int
    """Trials that meet the conditions, on all pages together."""


def check(space: SearchSpace, request: Request) -> None:
    """Checks that a request can be read.

    Raises:
        InvalidInput: for a sort or filter by a column that does not exist.
    """
    for condition in request.conditions:
        _meets(condition, space)
    _column(request.sort.removeprefix("-"), space, "sort")


def read(session: Session, study_id: int, space: SearchSpace, request: Request) -> TrialTable:
    """A page of a study's trials.

    Raises:
        InvalidInput: for a sort or filter by a column that does not exist.
    """
    wanted = [TrialRow.study_id == study_id]
    if request.state is not None:
        wanted.append(TrialRow.state == request.state)
    wanted += [_meets(condition, space) for condition in request.conditions]
    matching = session.execute(select(func.count()).where(*wanted)).scalar_one()
    name = request.sort.removeprefix("-")
    column, _ = _column(name, space, "sort")
    order = column.desc() if request.sort.startswith("-") else column.asc()
    rows = session.scalars(
        select(TrialRow)
        .where(*wanted)
        .order_by(order.nulls_last(), TrialRow.number)
        .offset((request.page - 1) * request.size)
        .limit(request.size)
    ).all()
    return TrialTable(trials.records(session, study_id, rows), matching)


def _meets(condition: Condition, space: SearchSpace) -> ColumnElement[bool]:
    column, numeric = _column(condition.field, space, "filter")
    value: Any = condition.number if numeric else condition.value
    if not numeric and condition.op not in ("=", "!="):
        raise InvalidInput.at(
            "filter", f"{condition.field} is not a number; compare it with = or !="
        )
    return _OPERATIONS[condition.op](column, value)


def _column(name: str, space: SearchSpace, field: str) -> tuple[ColumnElement[Any], bool]:
    """A column and whether it holds numbers."""
    if name in OWN:
        return OWN[name], True
    for parameter in space.parameters:
        if parameter.name == name:
            choices = getattr(parameter.distribution, "choice", ())
            numeric = not isinstance(parameter.distribution, Choice) or all(
                isinstance(option, int | float) and not isinstance(option, bool)
                for option in choices
            )
            inner = TrialRow.params[name]
            return (_number(inner) if numeric else inner.as_string()), numeric
    if is_plain_name(name):
        return _number(TrialRow.metrics[name]), True
    raise InvalidInput.at(
        field,
        f"must name a column, got {format_value(name)}; there are {', '.join(OWN)}, the parameters "
        "and the metrics",
    )


def _number(part: Any) -> ColumnElement[Any]:
    """A number inside JSON, where those that JSON lacks are words; NaN counts as no value."""
    text = part.as_string()
    return case(
        (text == "NaN", null()),
        (text == "Infinity", literal(math.inf, Double)),
        (text == "-Infinity", literal(-math.inf, Double)),
        else_=cast(text, Double),
    )
