"""Learning curves: one metric of many trials, or the metrics of one trial, by epochs trained.

The axis counts epochs done, so that the first epoch stands at 1 and a logarithmic axis can show it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from hpsearch.plots.style import (
    ACCENT,
    SERIES,
    Figure,
    axis,
    escape,
    finite,
    focus,
    layout,
    plain,
    shade,
)
from hpsearch.spec.wire.records import Curve, Curves

EPOCHS = "epochs trained"
BEST_WIDTH = 2.6
_FIRST = ("loss", "accuracy", "lr")
_LAST = ("seconds", "samples_per_second")


def curves(
    shown: Curves,
    ranked: Sequence[int],
    *,
    log_x: bool = False,
    log_y: bool = False,
    total: int | None = None,
) -> Figure:
    """One metric of several trials laid over each other.

    Args:
        shown: the curves to draw.
        ranked: their trials' numbers, the best first; it decides colour and what lies on top.
        log_x: a logarithmic axis of epochs.
        log_y: a logarithmic axis of values; values <= 0 are left out.
        total: how many trials have such a curve, where not all are shown.
    """
    metric = escape(shown.metric)
    by_trial = {curve.trial: curve for curve in shown.curves}
    order = [number for number in ranked if number in by_trial]
    order += [number for number in by_trial if number not in set(ranked)]
    traces = [
        _line(by_trial[number], rank, len(order))
        for rank, number in reversed(list(enumerate(order)))
    ]
    drawn = layout(f"{metric} by epoch", EPOCHS, metric)
    drawn["xaxis"] = axis(EPOCHS, log=log_x)
    everything = finite(value for curve in shown.curves for value in curve.values)
    ends = finite(by_trial[number].values[-1] for number in order[:1])
    drawn["yaxis"] = axis(metric, log=log_y, view=focus(everything, log=log_y, kept=ends))
    if total is not None and total > len(order):
        drawn["meta"]["note"] = f"the best {len(order)} of {total:,} trials"
    return {"data": traces, "layout": drawn}


def panels(names: Sequence[str]) -> dict[str, list[str]]:
    """A trial's metrics by the figure they belong to: those that measure alike share one.

    `loss` holds every loss and objective, other families are named after what follows the part's
    name (`train_accuracy` and `val_accuracy` are `accuracy`); the rest stand alone.
    """
    found: dict[str, list[str]] = {}
    for name in names:
        prefix, _, rest = name.rpartition("_")
        measured = prefix.endswith(("train", "val", "test", "ema", "swa"))
        panel_name = rest if measured else name
        panel_name = "loss" if panel_name == "objective" else panel_name
        found.setdefault(panel_name, []).append(name)
    order = {name: place for place, name in enumerate((*_FIRST, "", *_LAST))}
    return dict(sorted(found.items(), key=lambda item: order.get(item[0], order[""])))


def panel(name: str, metrics: Mapping[str, Curve], *, log_y: bool = False) -> Figure:
    """The metrics of one trial that share an axis."""
    drawn = layout(escape(name), EPOCHS, escape(name))
    log_y = log_y or name == "lr"
    everything = finite(value for curve in metrics.values() for value in curve.values)
    log_y = log_y and all(value > 0 for value in everything)
    drawn["yaxis"] = axis("", log=log_y and _spans_decades(everything))
    drawn["showlegend"] = len(metrics) > 1
    drawn["legend"] = {"orientation": "h", "x": 1.0, "xanchor": "right", "y": 1.02,
                       "yanchor": "bottom"}  # fmt: skip
    traces = [
        {
            "type": "scatter",
            "mode": _mode(curve),
            "name": escape(metric),
            "x": [epoch + 1 for epoch in curve.epochs],
            "y": plain(curve.values),
            "line": {"color": SERIES[i % len(SERIES)], "width": 2},
            "marker": {"size": 5},
            "hovertemplate": f"{escape(metric)} %{{y:.5g}} after %{{x}} epochs<extra></extra>",
        }
        for i, (metric, curve) in enumerate(metrics.items())
    ]
    return {"data": traces, "layout": drawn}


def _line(curve: Curve, rank: int, count: int) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": _mode(curve),
        "name": f"trial {curve.trial}",
        "x": [epoch + 1 for epoch in curve.epochs],
        "y": plain(curve.values),
        "meta": curve.trial,
        "opacity": 1.0 if rank == 0 else 0.8,
        "line": {"color": ACCENT, "width": BEST_WIDTH}
        if rank == 0
        else {"color": shade(rank, count), "width": 1.3},
        "marker": {"size": 4},
        "hovertemplate": f"trial {curve.trial}: %{{y:.5g}} after %{{x}} epochs<extra></extra>",
    }


def _mode(curve: Curve) -> str:
    """A curve of one point is a mark, or it would not be seen."""
    return "lines" if len(curve.epochs) > 1 else "lines+markers"


def _spans_decades(values: Sequence[float]) -> bool:
    return bool(values) and math.log10(max(values)) - math.log10(min(values)) > 1
