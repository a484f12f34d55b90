"""Importances as bars, the most important parameter on top."""

from __future__ import annotations

from hpsearch.plots.style import ACCENT, BLUE, MUTED, Figure, axis, escape, layout, plain
from hpsearch.spec.wire.advice import Importances

MOST_BARS = 20
"""The rest matters least."""

TITLES = {
    "value": "What decides the objective",
    "epochs_to_best": "What decides how soon a trial is at its best",
    "seconds": "What decides the training time",
}


def importances(found: Importances) -> Figure:
    """A bar for each parameter, with its spread where that is known."""
    shown = found.importances[:MOST_BARS][::-1]  # Plotly draws from the bottom up
    drawn = layout(TITLES[found.target], "share", "")
    drawn["xaxis"] = axis("share", rangemode="tozero", tickformat=".0%")
    drawn["yaxis"] = axis("", automargin=True, type="category")
    left_out = len(found.importances) - len(shown)
    drawn["meta"]["note"] = found.note + (
        f"; {left_out} that matter less are left out" if left_out else ""
    )
    bars = {
        "type": "bar",
        "orientation": "h",
        "x": plain(one.importance for one in shown),
        "y": [escape(one.parameter) for one in shown],
        "marker": {"color": [ACCENT if one is shown[-1] else BLUE for one in shown]},
        "hovertemplate": "%{y}: %{x:.1%}<extra></extra>",
    }
    if any(one.spread is not None for one in shown):
        spreads = plain(one.spread for one in shown)
        # A share below 0 is none: the left arm ends there.
        down = [min(one.importance, one.spread or 0.0) for one in shown]
        bars["error_x"] = {
            "type": "data",
            "symmetric": False,
            "array": spreads,
            "arrayminus": down,
            "color": MUTED,
            "thickness": 1.2,
            "width": 3,
        }
    return {"data": [bars] if shown else [], "layout": drawn}
