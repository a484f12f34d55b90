"""How coarse-to-fine closes in: along a parameter, each stage's box and the trials in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import nsmallest
from typing import Any

from hpsearch.plots.dimensions import Dimension, axis_of, colors
from hpsearch.plots.style import ACCENT, BLUE, MUTED, Figure, layout
from hpsearch.spec.language.distributions import Choice, Interval
from hpsearch.spec.space.space import SearchSpace
from hpsearch.spec.study import Objective
from hpsearch.spec.wire.points import TrialPoint

MOST_POINTS = 200
"""Of a stage; past it the best are drawn."""
HEIGHT = 0.32
"""Half the height of a box, in stages."""
GOLDEN = 0.618033988749895
"""Its multiples modulo 1 spread trials over a box's height evenly, whatever their number."""


@dataclass(frozen=True)
class Box:
    """A stage's range of one parameter; for a choice, the place of an option."""

    stage: int
    low: float
    high: float
    label: str
    """What the stage is: its trials and epochs."""


def boxes(space: SearchSpace, dimension: Dimension, stage: int, label: str) -> list[Box]:
    """A stage's range of one parameter, of which nothing is left where its branch is closed."""
    for parameter in space.parameters:
        if parameter.name != dimension.name:
            continue
        found = parameter.distribution
        if isinstance(found, Interval):
            return [Box(stage, float(found.low), float(found.high), label)]
        if isinstance(found, Choice):
            # Options that are neighbours no more are boxes of their own.
            places = [dimension.labels.index(str(option)) for option in found.choice]
            return [Box(stage, place, place, label) for place in places]
    return []


def stages(
    points: Sequence[TrialPoint],
    objective: Objective,
    dimension: Dimension,
    drawn_in: Sequence[Box],
) -> Figure:
    """Boxes from the first stage at the top to the last at the bottom, trials inside.

    Args:
        points: the study's trials, with params.
        objective: whose value colours them.
        dimension: the parameter; its ends are the range that was submitted.
        drawn_in: the stages' boxes.
    """
    placed = [
        (place, point)
        for place, point in zip(dimension.places(points), points, strict=True)
        if place is not None and point.value is not None and math.isfinite(point.value)
    ]
    values = sorted((point.value or 0.0 for _, point in placed), key=objective.sort_key)
    shown: list[tuple[float, TrialPoint]] = []
    for box in {box.stage: box for box in drawn_in}.values():
        mine = [(place, point) for place, point in placed if point.stage == box.stage]
        shown += nsmallest(MOST_POINTS, mine, key=lambda pair: objective.sort_key(pair[1].value))
    shown.reverse()  # the best are drawn on top
    submitted = dimension.ends
    labels = {-box.stage: box.label for box in drawn_in}
    wide = dimension.reaching([end for box in drawn_in for end in (box.low, box.high)])
    drawn = layout(f"Boxes of {dimension.title}", dimension.title, "")
    drawn["xaxis"] = axis_of(wide, [place for place, _ in shown]) | {"tickangle": 0}
    drawn["yaxis"] |= {
        "tickmode": "array",
        "tickvals": list(labels),
        "ticktext": list(labels.values()),
        "range": [-max((box.stage for box in drawn_in), default=0) - 0.6, 0.6],
        "automargin": True,
    }
    drawn["shapes"] = [_rectangle(box, dimension) for box in drawn_in] + [
        _line(end, dimension) for end in submitted or ()
    ]
    drawn["meta"]["note"] = "" if submitted is None else "dashed: the range that was submitted"
    marks = {
        "type": "scatter",
        "mode": "markers",
        "x": [place for place, _ in shown],
        "y": [_height(point) for _, point in shown],
        "customdata": [[p.number, p.value, p.state] for _, p in shown],
        "marker": {
            **colors(values, objective),
            "color": [point.value for _, point in shown],
            "size": 8,
            "line": {"width": 0.8, "color": "rgba(128, 138, 150, 0.7)"},
        },
        "hovertemplate": (
            "trial %{customdata[0]}: %{customdata[1]:.5g} (%{customdata[2]})<br>"
            f"{dimension.title} %{{x:.4g}}<extra></extra>"
        ),
    }
    return {"data": [marks], "layout": drawn}


def _height(point: TrialPoint) -> float:
    """Within the stage's box: trials at one place do not hide each other."""
    return -point.stage + HEIGHT * (2 * (point.number * GOLDEN % 1) - 1) * 0.85


def _rectangle(box: Box, dimension: Dimension) -> dict[str, Any]:
    low, high = box.low, box.high
    if dimension.labels:
        low, high = low - 0.4, high + 0.4
    return {
        "type": "rect",
        "x0": low,
        "x1": high,
        "y0": -box.stage - HEIGHT,
        "y1": -box.stage + HEIGHT,
        "line": {"color": BLUE, "width": 1.5},
        "fillcolor": BLUE,
        "opacity": 0.16,
        "layer": "below",
    }


def _line(end: float, dimension: Dimension) -> dict[str, Any]:
    return {
        "type": "line",
        "x0": end,
        "x1": end,
        "y0": 0,
        "y1": 1,
        "yref": "paper",
        "line": {"color": ACCENT if dimension.log else MUTED, "width": 1.2, "dash": "dash"},
        "layer": "below",
    }
