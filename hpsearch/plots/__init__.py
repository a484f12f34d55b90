"""Figures as plain Plotly dictionaries: the dashboard and a notebook draw the same ones.

A figure is `{"data": [...], "layout": {...}}` that JSON can carry as it stands: numbers that JSON
lacks are null. `layout.meta.note` says in a sentence what was binned or left out. Only SVG traces
are used, so that a page may forbid `unsafe-eval`; whatever holds many trials is binned here, and a
browser draws no more than some hundreds of marks. Nothing here imports plotly.

A new figure is a file here and its line in `FIGURES`: REST route, study page, `study.plot` and
documents are made from that table.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from hpsearch.plots.figure import Figure, FigureQuery, StudyData
from hpsearch.plots.style import PlotlyJson


def _table(*paths: str) -> dict[str, Figure[Any]]:
    """The figures that are called `module:class` by their names."""
    figures = {}
    for path in paths:
        module, _, name = path.partition(":")
        figure: Figure[Any] = getattr(import_module(f"{__name__}.{module}"), name)()
        figures[figure.name] = figure
    return figures


FIGURES: Mapping[str, Figure[Any]] = _table(
    "curves_figure:CurvesFigure",
    "stages_figure:StagesFigure",
    "front_figure:FrontFigure",
    "scatter_figure:ScatterFigure",
    "importance_figure:ImportancesFigure",
    "history_figure:HistoryFigure",
    "trial_figure:TrialFigure",
)
"""Every figure by name, in the order in which a study's page shows them."""

__all__ = ["FIGURES", "Figure", "FigureQuery", "PlotlyJson", "StudyData"]
