"""Categories of new rows that no training row had: counted, warned of, or refused.

A model has nothing to say of such a category: the row counts as if it were of none of the known
ones.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import NamedTuple

from hpsearch.errors import FieldError, InvalidInput, UnknownCategoryWarning
from hpsearch.spec.language.messages import format_value, pluralize


class UnknownCategories(NamedTuple):
    """Of one column."""

    rows: int
    """How many have one."""
    first_row: int
    """The first of them, 0-based."""
    values: tuple[str, ...]
    """Some of the categories."""


def warn_of_unknown(unknown: Mapping[str, UnknownCategories], rows: int, stacklevel: int) -> None:
    """Warns once of all columns; says nothing where all categories are known.

    Args:
        unknown: by column.
        rows: how many there are in all.
        stacklevel: as `warnings.warn` takes it, for whoever called this function's caller: 2.
    """
    if not unknown:
        return
    columns = (
        f"{name} in {found.rows} of {pluralize(rows, 'row')} ({_listed(found.values)})"
        for name, found in unknown.items()
    )
    warnings.warn(
        f"categories that no training row had: {'; '.join(columns)}; they count as none of the "
        "known ones; strict=True refuses them",
        UnknownCategoryWarning,
        stacklevel=stacklevel + 1,
    )


def refuse_unknown(unknown: Mapping[str, UnknownCategories]) -> None:
    """Refuses rows that hold unknown categories.

    Raises:
        InvalidInput: naming each column with its first row, or nothing where all are known.
    """
    if unknown:
        raise InvalidInput(
            [
                FieldError(
                    f"x.{found.first_row}.{name}",
                    f"must be a category that a training row had, got {_listed(found.values)} in "
                    f"{pluralize(found.rows, 'row')}; correct it, or predict without strict",
                )
                for name, found in unknown.items()
            ]
        )


def _listed(values: tuple[str, ...]) -> str:
    return ", ".join(map(format_value, values))
