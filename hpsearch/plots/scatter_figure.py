"""Where in the space good trials lie: two dimensions against each other, coloured by the objective.

Ranges drawn in log space get logarithmic axes. The objective itself may be an axis.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from heapq import nsmallest
from statistics import median
from typing import Annotated, Any

from hpsearch.plots.controls import AxisSelect, Name
from hpsearch.plots.dimensions import Dimension, axis_named, axis_of, colors, default_axes
from hpsearch.plots.figure import Figure, FigureQuery, StudyData
from hpsearch.plots.style import PlotlyJson, focus, layout
from hpsearch.spec.study import Objective
from hpsearch.spec.wire.points import TrialPoint

MOST_POINTS = 800
"""Past this many trials, the plane is binned and only the best are drawn one by one."""
CELLS = 24
"""Bins along each axis."""
BEST_POINTS = 60


class ScatterQuery(FigureQuery):
    """What may be chosen of the scatter."""

    x: Annotated[Name | None, AxisSelect("by", key="x", aria_label="x axis", position=1)] = None
    """Across: a parameter, or `value`; none takes the learning rate where that is searched."""
    y: Annotated[Name | None, AxisSelect(key="y", aria_label="y axis", upward=True)] = None
    """Upward: a parameter, or `value`; none takes weight decay where that is searched."""


class ScatterFigure(Figure[ScatterQuery]):
    """Trials over two parameters (or `value`), coloured by the objective."""

    name = "scatter"
    title = "Space"
    alt = "Trials in the search space, coloured by {metric}"
    empty = "Trials appear here as soon as they have a value."
    query = ScatterQuery

    def draw(self, data: StudyData, query: ScatterQuery) -> PlotlyJson:
        """A dot for each trial; cells with medians where there are many."""
        across, upward = default_axes(data.spec)
        x = axis_named(data.spec, "x", query.x or across)
        y = axis_named(data.spec, "y", query.y or upward)
        return scatter(data.points(), data.spec.objectives[0], x, y)


def scatter(
    points: Sequence[TrialPoint], objective: Objective, x: Dimension, y: Dimension
) -> PlotlyJson:
    """Trials over two dimensions.

    Args:
        points: the study's trials, with params.
        objective: whose value colours them; the scale's bright end is the better one.
        x: across.
        y: upward.
    """
    valued = [point for point in points if point.value is not None and math.isfinite(point.value)]
    marks = [
        (across, up, point)
        for across, up, point in zip(x.positions(valued), y.positions(valued), valued, strict=True)
        if across is not None and up is not None
    ]
    frame = layout(f"{y.title} × {x.title}", x.title, y.title)
    across, upward = [mark[0] for mark in marks], [mark[1] for mark in marks]
    x, y = x.extended_to(across), y.extended_to(upward)
    frame["xaxis"], frame["yaxis"] = axis_of(x, across), axis_of(y, upward)
    values = sorted((point.value or 0.0 for *_, point in marks), key=objective.sort_key)
    color = colors(values, objective)
    count = BEST_POINTS if len(marks) > MOST_POINTS else len(marks)
    best_first = nsmallest(count, marks, key=lambda mark: objective.sort_key(mark[2].value))
    traces = []
    if len(marks) > MOST_POINTS:
        traces.append(_cells(marks, x, y, color))
        color = {**color, "showscale": False}
        frame["meta"]["note"] = (
            f"{len(marks):,} trials: cells show their median, dots the best {BEST_POINTS}"
        )
    best_last = best_first[::-1]  # the best are drawn on top
    traces.append(
        {
            "type": "scatter",
            "mode": "markers",
            "x": [across for across, *_ in best_last],
            "y": [up for _, up, _ in best_last],
            "customdata": [[p.number, p.value, p.state] for *_, p in best_last],
            "marker": {
                **color,
                "color": [p.value for *_, p in best_last],
                "size": 9,
                "line": {"width": 0.8, "color": "rgba(128, 138, 150, 0.7)"},
            },
            "hovertemplate": (
                f"trial %{{customdata[0]}}: %{{customdata[1]:.5g}} (%{{customdata[2]}})<br>"
                f"{x.title} %{{x:.4g}}<br>{y.title} %{{y:.4g}}<extra></extra>"
            ),
        }
    )
    return {"data": traces, "layout": frame}


def _cells(
    marks: Sequence[tuple[float, float, TrialPoint]],
    x: Dimension,
    y: Dimension,
    color: dict[str, Any],
) -> dict[str, Any]:
    """The plane in cells, each with the median of its trials."""
    xs, ys = _edges(x, [p[0] for p in marks]), _edges(y, [p[1] for p in marks])
    columns = _cells_along(x, xs, [p[0] for p in marks])
    rows = _cells_along(y, ys, [p[1] for p in marks])
    cells: dict[tuple[int, int], list[float]] = {}
    for cell, (*_, point) in zip(zip(columns, rows, strict=True), marks, strict=True):
        cells.setdefault(cell, []).append(point.value or 0.0)
    grid = [
        [median(cells[i, j]) if (i, j) in cells else None for i in range(len(xs) - 1)]
        for j in range(len(ys) - 1)
    ]
    counts = [[len(cells.get((i, j), ())) for i in range(len(xs) - 1)] for j in range(len(ys) - 1)]
    scale = {"zmin": color["cmin"], "zmax": color["cmax"]}
    return {
        "type": "heatmap",
        "x": [_edge(x, edge) for edge in xs],
        "y": [_edge(y, edge) for edge in ys],
        "z": grid,
        "customdata": counts,
        **{k: color[k] for k in ("colorscale", "reversescale", "showscale", "colorbar")},
        **scale,
        "opacity": 0.55,
        "hoverongaps": False,
        "hovertemplate": "median %{z:.5g} of %{customdata} trials<extra></extra>",
    }


def _edges(dimension: Dimension, positions: Sequence[float]) -> list[float]:
    """Cell borders along an axis, in log10 where it is logarithmic."""
    if dimension.labels:
        return [i - 0.5 for i in range(len(dimension.labels) + 1)]
    low, high = dimension.ends or (min(positions), max(positions))
    if dimension.ends is None:
        focused = focus(positions, log=False)
        low, high = (focused[0], focused[1]) if focused else (low, high)
    if dimension.log:
        low, high = math.log10(low), math.log10(high)
    high = high if high > low else low + 1.0
    return [low + (high - low) * i / CELLS for i in range(CELLS + 1)]


def _edge(dimension: Dimension, edge: float) -> float:
    return 10.0**edge if dimension.log else edge


def _cells_along(
    dimension: Dimension, edges: Sequence[float], positions: Sequence[float]
) -> list[int]:
    """The index of each position's cell; the outer cells take what lies beyond them."""
    scaled = map(math.log10, positions) if dimension.log else positions
    low, count = edges[0], len(edges) - 1
    scale = count / (edges[-1] - low)
    return [min(max(int((position - low) * scale), 0), count - 1) for position in scaled]
