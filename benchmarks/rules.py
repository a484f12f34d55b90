"""Other ways to narrow, to compare with `hpsearch.search.coarse_to_fine_box`.

Each draws a box [start, end] around the best trials in units of the range; borders, hard bounds,
choices and what is promoted are as in the rule that won, so the boxes alone differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from unittest.mock import patch

import numpy as np

from hpsearch.search import coarse_to_fine_box
from hpsearch.search.samplers.base import Observation
from hpsearch.search.simulator import NextStage
from hpsearch.search.staging import OpenStage, next_stage
from hpsearch.spec.study import StudySpec


def _quantiles(units: Any) -> tuple[float, float]:
    return float(np.quantile(units, 0.1)), float(np.quantile(units, 0.9))


def _median_and_spread(units: Any) -> tuple[float, float]:
    middle = np.median(units)
    spread = 1.5 * np.median(np.abs(units - middle))
    return float(middle - spread), float(middle + spread)


def _weighted_spread(units: Any) -> tuple[float, float]:
    weights = np.arange(len(units), 0, -1) / len(units)
    middle = np.average(units, weights=weights)
    spread = 1.5 * np.sqrt(np.average((units - middle) ** 2, weights=weights))
    return float(middle - spread), float(middle + spread)


def _around_best(units: Any) -> tuple[float, float]:
    return float(units[0] - 0.2), float(units[0] + 0.2)


def _extent(units: Any) -> tuple[float, float]:
    return float(min(units)), float(max(units))


def _with_box(box: Callable[[Any], tuple[float, float]]) -> NextStage:
    """The rule with another box, and without a test of significance."""

    def drawn(old: Any, values: Any, margin: float) -> tuple[float, float, str]:
        first, last = box(np.array([old.to_unit(value) for value in values.best]))
        middle = (first + last) / 2
        half = max(last - first, coarse_to_fine_box.MIN_WIDTH) / 2 * (1 + margin)
        return max(middle - half, 0.0), min(middle + half, 1.0), ""

    return _patched(_box=drawn)


def _patched(**parts: Any) -> NextStage:
    def following(
        spec: StudySpec, stage: OpenStage, trials: Sequence[Observation], first: int
    ) -> OpenStage:
        with patch.multiple(coarse_to_fine_box, **parts):
            return next_stage(spec, stage, trials, first)

    return following


RULES: Mapping[str, NextStage] = {
    "as built": next_stage,
    "chance at most 5 %": _patched(MAX_P_VALUE=0.05),
    "chance at most 10 %": _patched(MAX_P_VALUE=0.1),
    "chance at most 50 %": _patched(MAX_P_VALUE=0.5),
    "extent, no test": _with_box(_extent),
    "10 % to 90 % quantile, no test": _with_box(_quantiles),
    "median ± 1.5 spread, no test": _with_box(_median_and_spread),
    "weighted mean ± 1.5 sd, no test": _with_box(_weighted_spread),
    "best ± 0.2, no test": _with_box(_around_best),
    "least width 0.1": _patched(MIN_WIDTH=0.1),
    "least width 0.4": _patched(MIN_WIDTH=0.4),
    "reach 1 decade": _patched(REACH_DECADES=1.0),
    "border chance at most 20 %": _patched(MAX_BORDER_P_VALUE=0.2),
}
