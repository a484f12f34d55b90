"""A schedule's learning rate over a trial's planned length."""

from __future__ import annotations

from collections.abc import Sequence

from hpsearch.plots.style import SERIES, PlotlyJson, axis, json_numbers, layout


def schedule(epochs: Sequence[float], lr: Sequence[float], *, log: bool = False) -> PlotlyJson:
    """Learning rate [N] at N moments, counted in epochs."""
    frame = layout("Learning rate", "epochs", "learning rate")
    frame["yaxis"] = axis("learning rate", log=log and min(lr, default=0) > 0)
    line = {
        "type": "scatter",
        "mode": "lines",
        "x": list(epochs),
        "y": json_numbers(lr),
        "line": {"color": SERIES[0], "width": 2},
        "hovertemplate": "%{y:.4g} after %{x:.2f} epochs<extra></extra>",
    }
    return {"data": [line], "layout": frame}
