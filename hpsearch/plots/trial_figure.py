"""One trial: its metrics by epochs trained, those that measure alike in one figure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field

from hpsearch.errors import InvalidInput
from hpsearch.plots.controls import LogAxes, LogBoxes, Name
from hpsearch.plots.curves_figure import EPOCHS, mode
from hpsearch.plots.figure import Figure, FigureQuery, StudyData
from hpsearch.plots.style import SERIES, PlotlyJson, axis, escape, finite, json_numbers, layout
from hpsearch.spec.wire.records import Curve

_PART = re.compile(r"^(ema_|swa_)?(train|val|test)_")
"""Before a metric's name: whose weights, which rows."""
_ALIKE = {"objective": "loss", "log_loss": "loss", "f1_macro": "f1"}
"""Metrics that stand in another one's panel."""
_FIRST = ("loss", "accuracy", "lr")
_LAST = ("seconds", "samples_per_second")


class TrialQuery(FigureQuery):
    """Which curves of which trial."""

    number: int | None = Field(None, ge=0, alias="trial")
    """The trial's number; required."""
    panel: Name | None = None
    """`loss`, `accuracy`, or another metric's name; none takes the first that the trial has."""
    log: Annotated[LogAxes, LogBoxes(axes="y")] = ""
    """`y` shows values by decades."""


class TrialFigure(Figure[TrialQuery]):
    """Curves of one trial that share an axis: `loss`, `accuracy`, or a metric's name."""

    name = "trial"
    title = "Trial"
    alt = "Metrics of one trial by epoch"
    empty = "Curves appear as soon as the first epoch ends."
    query = TrialQuery
    page = "trial"

    def draw(self, data: StudyData, query: TrialQuery) -> PlotlyJson:
        """A line for each metric of the panel."""
        if query.number is None:
            raise InvalidInput.at("trial", "is required for this figure; add ?trial=<number>")
        reported = data.last_metrics(query.number)
        by_panel = panels(reported)
        name = query.panel or next(iter(by_panel), "loss")
        lines = {}
        for metric in by_panel.get(name, [name]):
            stored = data.curves(metric, [query.number]).curves
            if stored:
                lines[metric] = stored[0]
        labels = [data.spec.curve_label(metric, reported) for metric in lines]
        is_standardized = any(map(str.__ne__, labels, lines))
        unit = "of standardised targets" if is_standardized else ""
        return panel(name, lines, log_y="y" in query.log, unit=unit)


def panels(names: Sequence[str]) -> dict[str, list[str]]:
    """A trial's metrics by the figure they belong to: those that measure alike share one.

    `loss` holds every loss and objective, other families are named after what follows the part's
    name (`train_accuracy` and `val_accuracy` are `accuracy`), those of single classes after the
    metric (`val_recall[yes]` and `val_recall[no]` are `recall`); the rest stand alone.
    """
    by_panel: dict[str, list[str]] = {}
    for name in names:
        measured = _PART.sub("", name).partition("[")[0]
        panel_name = _ALIKE.get(measured, measured)
        by_panel.setdefault(panel_name, []).append(name)
    order = {name: rank for rank, name in enumerate((*_FIRST, "", *_LAST))}
    return dict(sorted(by_panel.items(), key=lambda item: order.get(item[0], order[""])))


def panel(
    name: str, metrics: Mapping[str, Curve], *, log_y: bool = False, unit: str = ""
) -> PlotlyJson:
    """The metrics of one trial that share an axis; `unit` names it."""
    frame = layout(escape(name), EPOCHS, escape(name))
    log_y = log_y or name == "lr"
    everything = finite(value for curve in metrics.values() for value in curve.values)
    log_y = log_y and all(value > 0 for value in everything)
    frame["yaxis"] = axis(unit, log=log_y and _spans_decades(everything))
    frame["showlegend"] = len(metrics) > 1
    frame["legend"] = {"orientation": "h", "x": 1.0, "xanchor": "right", "y": 1.02,
                       "yanchor": "bottom"}  # fmt: skip
    traces = [
        {
            "type": "scatter",
            "mode": mode(curve),
            "name": escape(metric),
            "x": [epoch + 1 for epoch in curve.epochs],
            "y": json_numbers(curve.values),
            "line": {"color": SERIES[i % len(SERIES)], "width": 2},
            "marker": {"size": 5},
            "hovertemplate": f"{escape(metric)} %{{y:.5g}} after %{{x}} epochs<extra></extra>",
        }
        for i, (metric, curve) in enumerate(metrics.items())
    ]
    return {"data": traces, "layout": frame}


def _spans_decades(values: Sequence[float]) -> bool:
    return bool(values) and math.log10(max(values)) - math.log10(min(values)) > 1
