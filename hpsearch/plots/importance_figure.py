"""Importances as bars, the most important parameter on top."""

from __future__ import annotations

from typing import Annotated

from hpsearch.plots.controls import LiteralSelect
from hpsearch.plots.figure import Figure, FigureQuery, StudyData
from hpsearch.plots.style import ACCENT, BLUE, MUTED, PlotlyJson, axis, escape, json_numbers, layout
from hpsearch.spec.wire.advice import Evaluator, Importances, ImportanceTarget

MOST_BARS = 20
"""The rest matters least."""

TITLES = {
    "value": "What decides the objective",
    "epochs_to_best": "What decides how soon a trial is at its best",
    "seconds": "What decides the training time",
}


class ImportancesQuery(FigureQuery):
    """What may be chosen of the importances."""

    evaluator: Annotated[Evaluator, LiteralSelect("by", key="evaluator", position=1)] = "ped_anova"
    """How importance is measured."""
    target: Annotated[ImportanceTarget, LiteralSelect("for", key="target")] = "value"
    """What parameters may matter for."""


class ImportancesFigure(Figure[ImportancesQuery]):
    """How much each parameter decides, as `study.importances` says."""

    name = "importances"
    title = "What matters"
    alt = "How much each parameter decides"
    empty = "Shares appear with some more trials."
    query = ImportancesQuery
    low = True
    redraw_seconds = 5.0
    slow = True

    def draw(self, data: StudyData, query: ImportancesQuery) -> PlotlyJson:
        """A bar for each parameter."""
        return importances(data.importances(query.evaluator, query.target))


def importances(measured: Importances) -> PlotlyJson:
    """A bar for each parameter, with its spread where that is known."""
    listed = measured.importances[:MOST_BARS][::-1]  # Plotly draws from the bottom up
    frame = layout(TITLES[measured.target], "share", "")
    frame["xaxis"] = axis("share", rangemode="tozero", tickformat=".0%")
    frame["yaxis"] = axis("", automargin=True, type="category")
    left_out = len(measured.importances) - len(listed)
    frame["meta"]["note"] = measured.note + (
        f"; {left_out} that matter less are left out" if left_out else ""
    )
    bars = {
        "type": "bar",
        "orientation": "h",
        "x": json_numbers(importance.importance for importance in listed),
        "y": [escape(importance.parameter) for importance in listed],
        "marker": {"color": [ACCENT if i == len(listed) - 1 else BLUE for i in range(len(listed))]},
        "hovertemplate": "%{y}: %{x:.1%}<extra></extra>",
    }
    if any(importance.spread is not None for importance in listed):
        spreads = json_numbers(importance.spread for importance in listed)
        # A share below 0 is none: the left arm ends there.
        down = [min(importance.importance, importance.spread or 0.0) for importance in listed]
        bars["error_x"] = {
            "type": "data",
            "symmetric": False,
            "array": spreads,
            "arrayminus": down,
            "color": MUTED,
            "thickness": 1.2,
            "width": 3,
        }
    return {"data": [bars] if listed else [], "layout": frame}
