"""Figures as plain Plotly dictionaries: the dashboard and a notebook draw the same ones.

A figure is `{"data": [...], "layout": {...}}` that JSON can carry as it stands: numbers that JSON
lacks are null. `layout.meta.note` says in a sentence what was binned or left out. Only SVG traces
are used, so that a page may forbid `unsafe-eval`; whatever holds many trials is binned here, and a
browser draws no more than some hundreds of marks. Nothing here imports plotly.
"""

from hpsearch.plots.curves_figure import curves, panel, panels
from hpsearch.plots.dimensions import Dimension, axes
from hpsearch.plots.front_figure import front
from hpsearch.plots.history_figure import history
from hpsearch.plots.importance_figure import importances
from hpsearch.plots.scatter_figure import scatter
from hpsearch.plots.schedule_figure import schedule
from hpsearch.plots.stages_figure import Box, boxes, stages
from hpsearch.plots.style import Figure

__all__ = [
    "Box",
    "Dimension",
    "Figure",
    "axes",
    "boxes",
    "curves",
    "front",
    "history",
    "importances",
    "panel",
    "panels",
    "scatter",
    "schedule",
    "stages",
]
