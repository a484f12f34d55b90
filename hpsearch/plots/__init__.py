"""Figures as plain Plotly dictionaries: the dashboard and a notebook draw the same ones.

A figure is `{"data": [...], "layout": {...}}` that JSON can carry as it stands: numbers that JSON
lacks are null. `layout.meta.note` says in a sentence what was binned or left out. Only SVG traces
are used, so that a page may forbid `unsafe-eval`; whatever holds many trials is binned here, and a
browser draws no more than some hundreds of marks. Nothing here imports plotly.
"""

from hpsearch.plots.curves_figure import curves, panel, panels
from hpsearch.plots.history_figure import history
from hpsearch.plots.scatter_figure import axes, scatter
from hpsearch.plots.schedule_figure import schedule
from hpsearch.plots.style import Figure

__all__ = ["Figure", "axes", "curves", "history", "panel", "panels", "scatter", "schedule"]
