"""Learning curves: one metric of many trials by epochs trained.

The axis counts epochs done, so that the first epoch stands at 1 and a logarithmic axis can show it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from hpsearch.plots.controls import LogAxes, LogBoxes, MetricSelect, Name, NumberSelect
from hpsearch.plots.figure import Figure, FigureQuery, StudyData
from hpsearch.plots.style import (
    ACCENT,
    PlotlyJson,
    axis,
    escape,
    finite,
    focus,
    json_numbers,
    layout,
    shade,
)
from hpsearch.spec.wire.records import Curve, Curves

EPOCHS = "epochs trained"
BEST_WIDTH = 2.6
MOST_CURVES = 100


class CurvesQuery(FigureQuery):
    """What may be chosen of the curves."""

    metric: Annotated[Name | None, MetricSelect("metric", key="metric")] = None
    """Whose curves; none takes the objective's."""
    top: Annotated[
        int,
        Field(ge=1, le=MOST_CURVES),
        NumberSelect("best", key="top", numbers=(5, 10, 20, 50, 100)),
    ] = 20
    """How many of the best trials."""
    log: Annotated[LogAxes, LogBoxes(key="log")] = ""
    """Axes to show by decades: `x`, `y` or `xy`."""


class CurvesFigure(Figure[CurvesQuery]):
    """Learning curves of the best trials."""

    name = "curves"
    title = "Learning curves"
    alt = "Learning curves of the best trials"
    empty = "Curves appear as soon as a trial ends its first epoch."
    query = CurvesQuery
    wide = True
    redraw_seconds = 0.9

    def draw(self, data: StudyData, query: CurvesQuery) -> PlotlyJson:
        """A line for each trial, the best one on top."""
        ranked = data.best_trials(query.top)
        stored = data.curves(query.metric or data.spec.objectives[0].metric, ranked)
        return curves(
            stored,
            ranked,
            log_x="x" in query.log,
            log_y="y" in query.log,
            label=data.spec.curve_label(stored.metric, data.metrics()),
            total=data.reported_trials(),
        )


def curves(
    stored: Curves,
    ranked: Sequence[int],
    *,
    log_x: bool = False,
    log_y: bool = False,
    label: str = "",
    total: int | None = None,
) -> PlotlyJson:
    """One metric of several trials laid over each other.

    Args:
        stored: the curves to draw.
        ranked: their trials' numbers, the best first; it decides colour and what lies on top.
        log_x: a logarithmic axis of epochs.
        log_y: a logarithmic axis of values; values <= 0 are left out.
        label: names the axis of values; empty for the metric's name.
        total: how many trials have such a curve, where not all are shown.
    """
    metric = escape(stored.metric)
    by_trial = {curve.trial: curve for curve in stored.curves}
    order = [number for number in ranked if number in by_trial]
    order += [number for number in by_trial if number not in set(ranked)]
    traces = [
        _line(by_trial[number], rank, len(order))
        for rank, number in reversed(list(enumerate(order)))
    ]
    frame = layout(f"{metric} by epoch", EPOCHS, metric)
    frame["xaxis"] = axis(EPOCHS, log=log_x)
    everything = finite(value for curve in stored.curves for value in curve.values)
    ends = finite(by_trial[number].values[-1] for number in order[:1])
    frame["yaxis"] = axis(
        escape(label) or metric, log=log_y, view=focus(everything, log=log_y, include=ends)
    )
    if total is not None and total > len(order):
        frame["meta"]["note"] = f"the best {len(order)} of {total:,} trials"
    return {"data": traces, "layout": frame}


def _line(curve: Curve, rank: int, count: int) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": mode(curve),
        "name": f"trial {curve.trial}",
        "x": [epoch + 1 for epoch in curve.epochs],
        "y": json_numbers(curve.values),
        "meta": curve.trial,
        "opacity": 1.0 if rank == 0 else 0.8,
        "line": {"color": ACCENT, "width": BEST_WIDTH}
        if rank == 0
        else {"color": shade(rank, count), "width": 1.3},
        "marker": {"size": 4},
        "hovertemplate": f"trial {curve.trial}: %{{y:.5g}} after %{{x}} epochs<extra></extra>",
    }


def mode(curve: Curve) -> str:
    """How a curve is drawn: one of a single point as a mark, or it would not be seen."""
    return "lines" if len(curve.epochs) > 1 else "lines+markers"
