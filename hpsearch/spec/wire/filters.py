"""Filters over a study's trials: `value > 0.9, optimizer.lr <= 1e-2, optimizer.kind = adam`.

Conditions are separated by commas, and a trial must meet them all. What a field means is for the
reader to say; here is only the grammar.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from hpsearch.errors import InvalidInput

MAX_CONDITIONS = 20
_CONDITION = re.compile(
    r"^\s*(?P<field>[^\s<>=!]+)\s*(?P<op><=|>=|!=|=|<|>)\s*(?P<value>\S.*?)\s*$"
)


@dataclass(frozen=True)
class Condition:
    """One comparison; `op` is one of <, <=, >, >=, = and !=."""

    field: str
    op: str
    value: str

    @property
    def number(self) -> float:
        """The value as a number.

        Raises:
            InvalidInput: when it is none.
        """
        try:
            return float(self.value)
        except ValueError:
            raise InvalidInput.at(
                "filter",
                f"{self.field} must be compared with a number, got {self.value[:60]!r}; "
                f"write {self.field} {self.op} 0.5",
            ) from None


def parse_filter(text: str) -> list[Condition]:
    """The conditions of a filter; an empty one has none.

    Raises:
        InvalidInput: when a part is no comparison.
    """
    parts = [part for part in text.split(",") if part.strip()]
    if len(parts) > MAX_CONDITIONS:
        raise InvalidInput.at(
            "filter", f"must have at most {MAX_CONDITIONS} conditions, got {len(parts)}"
        )
    conditions = []
    for part in parts:
        match = _CONDITION.match(part)
        if match is None:
            raise InvalidInput.at(
                "filter",
                f"must be comparisons separated by commas, got {part.strip()[:60]!r}; "
                "write value > 0.9, optimizer.lr < 0.01",
            )
        conditions.append(Condition(match["field"], match["op"], match["value"]))
    return conditions
