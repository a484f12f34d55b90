"""How coarse-to-fine closes in: along a parameter, each stage's box and the trials in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import nsmallest
from typing import Annotated, Any

from hpsearch.plots.controls import AxisSelect, Name
from hpsearch.plots.dimensions import Dimension, axis_named, axis_of, colors, default_axes
from hpsearch.plots.figure import Figure, FigureQuery, StudyData
from hpsearch.plots.style import ACCENT, BLUE, MUTED, PlotlyJson, layout
from hpsearch.spec.language.distributions import Choice, Interval
from hpsearch.spec.language.messages import pluralize
from hpsearch.spec.search import SEARCHES
from hpsearch.spec.space.space import SearchSpace, search_space
from hpsearch.spec.study import Objective, StudySpec
from hpsearch.spec.wire.points import TrialPoint
from hpsearch.spec.wire.space import space_from_wire

MOST_POINTS = 200
"""Of a stage; past it the best are drawn."""
HEIGHT = 0.32
"""Half the height of a box, in stages."""
GOLDEN = 0.618033988749895
"""Its multiples modulo 1 spread trials over a box's height evenly, whatever their number."""


class StagesQuery(FigureQuery):
    """What may be chosen of the stages."""

    x: Annotated[Name | None, AxisSelect("along", key="box", parameters_only=True)] = None
    """A parameter; none takes the learning rate where that is searched."""


class StagesFigure(Figure[StagesQuery]):
    """The box of each stage of a coarse-to-fine search along one parameter, and its trials."""

    name = "stages"
    title = "Stages"
    alt = "The box of each stage along one parameter"
    empty = "Boxes appear with the first stage."
    query = StagesQuery
    wide = True

    def unavailable(self, spec: StudySpec) -> str | None:
        """Only a search that goes by stages has boxes."""
        if spec.search.is_staged:
            return None
        staged = " or ".join(kind for kind, member in SEARCHES.members.items() if member.is_staged)
        return (
            f"stages are those of a {staged} search, and this one is {spec.search.kind}; "
            "draw the scatter"
        )

    def draw(self, data: StudyData, query: StagesQuery) -> PlotlyJson:
        """Stages from top to bottom, each with its box and its trials."""
        dimension = axis_named(data.spec, "x", query.x or default_axes(data.spec)[0])
        whole = search_space(data.spec)
        stage_boxes: list[Box] = []
        for stage in data.stages():
            space = whole if stage.space is None else space_from_wire(stage.space, whole)
            label = f"stage {stage.stage}<br>{pluralize(stage.trials, 'trial')}"
            stage_boxes += boxes(space, dimension, stage.stage, label)
        return stages(data.points(), data.spec.objectives[0], dimension, stage_boxes)


@dataclass(frozen=True)
class Box:
    """A stage's range of one parameter; for a choice, the index of an option."""

    stage: int
    low: float
    high: float
    label: str
    """What the stage is: its trials and epochs."""


def boxes(space: SearchSpace, dimension: Dimension, stage: int, label: str) -> list[Box]:
    """A stage's range of one parameter; empty where the stage does not search that parameter."""
    for parameter in space.parameters:
        if parameter.name != dimension.name:
            continue
        distribution = parameter.distribution
        if isinstance(distribution, Interval):
            return [Box(stage, float(distribution.low), float(distribution.high), label)]
        if isinstance(distribution, Choice):
            # Options that are neighbours no more are boxes of their own.
            indices = [dimension.labels.index(str(option)) for option in distribution.choice]
            return [Box(stage, index, index, label) for index in indices]
    return []


def stages(
    points: Sequence[TrialPoint],
    objective: Objective,
    dimension: Dimension,
    stage_boxes: Sequence[Box],
) -> PlotlyJson:
    """Boxes from the first stage at the top to the last at the bottom, trials inside.

    Args:
        points: the study's trials, with params.
        objective: whose value colours them.
        dimension: the parameter; its ends are the range that was submitted.
        stage_boxes: the stages' boxes.
    """
    valued = [
        (position, point)
        for position, point in zip(dimension.positions(points), points, strict=True)
        if position is not None and point.value is not None and math.isfinite(point.value)
    ]
    values = sorted((point.value or 0.0 for _, point in valued), key=objective.sort_key)
    marks: list[tuple[float, TrialPoint]] = []
    for box in {box.stage: box for box in stage_boxes}.values():
        in_stage = [(position, point) for position, point in valued if point.stage == box.stage]
        marks += nsmallest(
            MOST_POINTS, in_stage, key=lambda pair: objective.sort_key(pair[1].value)
        )
    marks.reverse()  # the best are drawn on top
    submitted = dimension.ends
    labels = {-box.stage: box.label for box in stage_boxes}
    axis_range = dimension.extended_to([end for box in stage_boxes for end in (box.low, box.high)])
    frame = layout(f"Boxes of {dimension.title}", dimension.title, "")
    frame["xaxis"] = axis_of(axis_range, [position for position, _ in marks]) | {"tickangle": 0}
    frame["yaxis"] |= {
        "tickmode": "array",
        "tickvals": list(labels),
        "ticktext": list(labels.values()),
        "range": [-max((box.stage for box in stage_boxes), default=0) - 0.6, 0.6],
        "automargin": True,
    }
    frame["shapes"] = [_rectangle(box, dimension) for box in stage_boxes] + [
        _line(end, dimension) for end in submitted or ()
    ]
    frame["meta"]["note"] = "" if submitted is None else "dashed: the range that was submitted"
    trace = {
        "type": "scatter",
        "mode": "markers",
        "x": [position for position, _ in marks],
        "y": [_height(point) for _, point in marks],
        "customdata": [[p.number, p.value, p.state] for _, p in marks],
        "marker": {
            **colors(values, objective),
            "color": [point.value for _, point in marks],
            "size": 8,
            "line": {"width": 0.8, "color": "rgba(128, 138, 150, 0.7)"},
        },
        "hovertemplate": (
            "trial %{customdata[0]}: %{customdata[1]:.5g} (%{customdata[2]})<br>"
            f"{dimension.title} %{{x:.4g}}<extra></extra>"
        ),
    }
    return {"data": [trace], "layout": frame}


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
