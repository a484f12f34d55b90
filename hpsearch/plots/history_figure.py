"""Best so far: every trial's objective by number, and the line that only gets better."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from statistics import median
from typing import Annotated, Any

from hpsearch.plots.controls import LogAxes, LogBoxes
from hpsearch.plots.figure import Figure, FigureQuery, StudyData
from hpsearch.plots.style import ACCENT, BLUE, MUTED, PlotlyJson, axis, escape, focus, layout
from hpsearch.spec.language.states import TrialState
from hpsearch.spec.study import Objective
from hpsearch.spec.wire.points import TrialPoint

MOST_POINTS = 1000
"""Past this many trials, neighbours in number are drawn as one."""
BUCKETS = 300


class HistoryQuery(FigureQuery):
    """What may be chosen of the history."""

    log: Annotated[LogAxes, LogBoxes(key="hlog", axes="y")] = ""
    """`y` shows the objective by decades."""


class HistoryFigure(Figure[HistoryQuery]):
    """Every trial's value by number, and the best so far."""

    name = "history"
    title = "Best so far"
    alt = "Best value by trial"
    empty = "The best value appears with the first trial."
    query = HistoryQuery
    wide = True
    redraw_seconds = 0.9

    def draw(self, data: StudyData, query: HistoryQuery) -> PlotlyJson:
        """Trials as dots, the best so far as a line; groups of trials where there are many."""
        objective = data.spec.objectives[0]
        label = data.spec.curve_label(objective.metric, data.metrics())
        return history(data.points(), objective, log="y" in query.log, label=label)


def history(
    points: Sequence[TrialPoint], objective: Objective, *, log: bool = False, label: str = ""
) -> PlotlyJson:
    """Objective by trial number.

    Args:
        points: the study's trials by number.
        objective: whose metric and direction count.
        log: a logarithmic value axis.
        label: names that axis; empty for the metric's name.
    """
    metric = escape(objective.metric)
    valued = [point for point in points if point.value is not None and math.isfinite(point.value)]
    title = f"Best {metric} so far"
    frame = layout(title, "trial", metric)
    best = [value for _, value in best_so_far(valued, objective)]
    view = focus([p.value or 0.0 for p in valued], log=log, include=best[-1:])
    frame["yaxis"] = axis(escape(label) or metric, log=log, view=view)
    if len(valued) > MOST_POINTS:
        traces = _binned(valued, objective)
        frame["meta"]["note"] = (
            f"{len(valued):,} trials in groups of {_group_size(valued)}: "
            "a dot is a group's best, the line its median"
        )
    else:
        traces = _each(valued)
    return {"data": [*traces, _best_line(valued, objective)], "layout": frame}


def best_so_far(points: Sequence[TrialPoint], objective: Objective) -> list[tuple[int, float]]:
    """(number, value) where a complete trial beat all before it."""
    steps: list[tuple[int, float]] = []
    for point in points:
        if point.state is not TrialState.COMPLETE or point.value is None:
            continue
        if not steps or objective.is_better(point.value, steps[-1][1]):
            steps.append((point.number, point.value))
    return steps


def _best_line(points: Sequence[TrialPoint], objective: Objective) -> dict[str, Any]:
    steps = best_so_far(points, objective)
    last = points[-1].number if points else 0
    ends = [(last, steps[-1][1])] if steps and last > steps[-1][0] else []
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "best so far",
        "x": [number for number, _ in (*steps, *ends)],
        "y": [value for _, value in (*steps, *ends)],
        "line": {"shape": "hv", "color": ACCENT, "width": 2},
        "hovertemplate": "best %{y:.5g} since trial %{x}<extra></extra>",
    }


def _each(points: Sequence[TrialPoint]) -> list[dict[str, Any]]:
    """A mark for each trial; hollow where it did not run to its end."""
    groups = (
        ("complete", [p for p in points if p.state is TrialState.COMPLETE], "circle", BLUE),
        ("not complete", [p for p in points if p.state is not TrialState.COMPLETE],
         "circle-open", MUTED),
    )  # fmt: skip
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "name": name,
            "x": [point.number for point in chosen],
            "y": [point.value for point in chosen],
            "customdata": [[point.number, point.state] for point in chosen],
            "marker": {"symbol": symbol, "size": 7, "color": color, "opacity": 0.75},
            "hovertemplate": "trial %{x}: %{y:.5g} (%{customdata[1]})<extra></extra>",
        }
        for name, chosen, symbol, color in groups
        if chosen
    ]


def _group_size(points: Sequence[TrialPoint]) -> int:
    return -(-len(points) // BUCKETS)


def _binned(points: Sequence[TrialPoint], objective: Objective) -> list[dict[str, Any]]:
    size = _group_size(points)
    heads, middles = [], []
    for _, group in groupby(enumerate(points), lambda pair: pair[0] // size):
        members = [point for _, point in group]
        heads.append(min(members, key=lambda point: objective.sort_key(point.value)))
        middles.append((members[len(members) // 2].number, median(p.value or 0.0 for p in members)))
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "name": "best of a group",
            "x": [point.number for point in heads],
            "y": [point.value for point in heads],
            "customdata": [[point.number, point.state] for point in heads],
            "marker": {"size": 5, "color": BLUE, "opacity": 0.75},
            "hovertemplate": "trial %{x}: %{y:.5g}<extra></extra>",
        },
        {
            "type": "scatter",
            "mode": "lines",
            "name": "median of a group",
            "x": [number for number, _ in middles],
            "y": [value for _, value in middles],
            "line": {"color": MUTED, "width": 1.2},
            "hovertemplate": f"median of {size} trials: %{{y:.5g}}<extra></extra>",
        },
    ]
