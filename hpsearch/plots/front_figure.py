"""Two objectives against each other, and the trials that no other beats in both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hpsearch.plots.style import ACCENT, MUTED, Figure, escape, layout
from hpsearch.spec.study import Objective

MOST_POINTS = 1000
"""Beside the front; past it, evenly chosen ones are drawn."""


def front(
    values: Mapping[int, Sequence[float]], best: Sequence[int], objectives: Sequence[Objective]
) -> Figure:
    """Complete trials in the plane of the first two objectives.

    Args:
        values: each trial's objectives, by number.
        best: the numbers of those on the Pareto front.
        objectives: at least two.
    """
    titles = [f"{escape(one.metric)} ({one.direction})" for one in objectives[:2]]
    drawn = layout("Pareto front", *titles)
    on_front = sorted((n for n in best if n in values), key=lambda n: values[n][0])
    rest = [number for number in values if number not in set(on_front)]
    step = -(-len(rest) // MOST_POINTS) or 1
    if step > 1:
        drawn["meta"]["note"] = f"every {step}th of {len(rest):,} trials behind the front"
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
    return {"data": traces, "layout": drawn}


def _rises(objectives: Sequence[Objective]) -> bool:
    """Whether what a front leaves open lies right of each of its points."""
    return not objectives[0].is_maximized
