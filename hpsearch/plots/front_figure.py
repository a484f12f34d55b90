"""Two objectives against each other, and the trials that no other beats in both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hpsearch.plots.figure import Figure, FigureQuery, StudyData
from hpsearch.plots.style import ACCENT, MUTED, PlotlyJson, escape, layout
from hpsearch.spec.study import Objective, StudySpec

MOST_POINTS = 1000
"""Beside the front; past it, evenly chosen ones are drawn."""


class FrontQuery(FigureQuery):
    """Nothing may be chosen."""


class FrontFigure(Figure[FrontQuery]):
    """Trials by the study's first two objectives, and those that no other beats in both."""

    name = "front"
    title = "Pareto front"
    alt = "Two objectives against each other"
    empty = "The front appears with the first complete trial."
    query = FrontQuery
    wide = True

    def unavailable(self, spec: StudySpec) -> str | None:
        """A study of one objective has no front."""
        if len(spec.objectives) < 2:
            return "a front needs several objectives, and this study has one; draw the history"
        return None

    def draw(self, data: StudyData, query: FrontQuery) -> PlotlyJson:
        """The front as a line, the other trials behind it."""
        del query
        return front(data.objectives(), data.pareto_front(), data.spec.objectives)


def front(
    values: Mapping[int, Sequence[float]], best: Sequence[int], objectives: Sequence[Objective]
) -> PlotlyJson:
    """Complete trials in the plane of the first two objectives.

    Args:
        values: each trial's objectives, by number.
        best: the numbers of those on the Pareto front.
        objectives: at least two.
    """
    titles = [f"{escape(objective.metric)} ({objective.direction})" for objective in objectives[:2]]
    frame = layout("Pareto front", *titles)
    on_front = sorted((n for n in best if n in values), key=lambda n: values[n][0])
    rest = [number for number in values if number not in set(on_front)]
    step = -(-len(rest) // MOST_POINTS) or 1
    if step > 1:
        frame["meta"]["note"] = f"every {step}th of {len(rest):,} trials behind the front"
    traces = [
        {
            "type": "scatter",
            "mode": mode,
            "x": [values[number][0] for number in numbers],
            "y": [values[number][1] for number in numbers],
            "customdata": [[number] for number in numbers],
            "marker": {"color": color, "size": size},
            "line": {"color": color, "width": 1, "shape": shape},
            "hovertemplate": (
                f"trial %{{customdata[0]}}<br>{titles[0]} %{{x:.5g}}<br>{titles[1]} %{{y:.5g}}"
                "<extra></extra>"
            ),
        }
        for mode, numbers, color, size, shape in (
            ("markers", rest[::step], MUTED, 6, "linear"),
            ("lines+markers", on_front, ACCENT, 9, "hv" if _rises(objectives) else "vh"),
        )
    ]
    return {"data": traces, "layout": frame}


def _rises(objectives: Sequence[Objective]) -> bool:
    """Whether what a front leaves open lies right of each of its points."""
    return not objectives[0].is_maximized
