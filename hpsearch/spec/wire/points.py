"""A trial as a figure sees it: a number, a state, an objective value and where it was drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from hpsearch.spec.language.states import TrialState


class TrialPoint(NamedTuple):
    """One trial of a study; `params` is empty where the figure does not need them."""

    number: int
    state: TrialState
    value: float | None
    """The objective at its best epoch so far."""
    stage: int = 0
    params: Mapping[str, Any] = {}
