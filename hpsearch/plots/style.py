"""One look for every figure: colours that colour-blind eyes tell apart, on light and dark alike.

Backgrounds are transparent and text is a grey that reads on both; a page with a theme of its own
sets `font.color` and the grid's colour anew.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

PlotlyJson: TypeAlias = dict[str, Any]
"""A figure as JSON carries it: `data`, a list of traces, and `layout`."""

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif"
TEXT = "#7c8591"
GRID = "rgba(128, 138, 150, 0.22)"

ACCENT = "#e8590c"
"""What is best."""
BLUE = "#4c7fd9"
MUTED = "#8a94a3"
SERIES = ("#4c7fd9", "#e8900c", "#1f9e89", "#c2549d", "#8a94a3", "#7a5fc7", "#a8762a", "#4aa3c7")
"""Categories, after Okabe & Ito 2008, in a lightness that stands out on white and on black."""
SCALE = ("#5f3dab", "#a3418f", "#d75a6c", "#ef8449", "#f3b63f")
"""From bad to good: plasma without its darkest and lightest ends, even in lightness."""
COLORSCALE = [[i / (len(SCALE) - 1), color] for i, color in enumerate(SCALE)]

FAR = 4.0
"""Times the distance between quartiles past which a value is an outlier that an axis leaves out."""


def layout(title: str, x: str, y: str, **more: Any) -> dict[str, Any]:
    """The layout that all figures share; `more` overrides parts of it."""
    return {
        "title": {"text": title, "font": {"size": 14}, "x": 0.0, "xref": "paper", "y": 0.98},
        "font": {"family": FONT, "size": 12, "color": TEXT},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 64, "r": 16, "t": 40, "b": 46},  # measuring labels would draw all twice
        "hovermode": "closest",
        "hoverlabel": {"font": {"family": FONT, "size": 12}},
        "showlegend": False,
        "modebar": {"remove": ["sendChartToCloud"]},  # Plotly's default would send data away
        "xaxis": axis(x),
        "yaxis": axis(y),
        "meta": {"note": ""},
        **more,
    }


def axis(
    title: str, *, log: bool = False, view: list[float] | None = None, **more: Any
) -> dict[str, Any]:
    """An axis; `view` is its range, in log10 where it is logarithmic, and none leaves it open."""
    # Plotly.react fails on a range that is null where it keeps a person's zoom.
    scale = {"type": "log", "exponentformat": "power"} if log else {"type": "linear"}
    return {
        "title": {"text": title, "standoff": 8},
        "gridcolor": GRID,
        "zeroline": False,
        "ticks": "outside",
        "ticklen": 4,
        "tickcolor": GRID,
        **scale,
        **({} if view is None else {"range": view}),
        **more,
    }


def finite(values: Iterable[float | None]) -> list[float]:
    """The values that are finite numbers."""
    return [value for value in values if value is not None and math.isfinite(value)]


def json_numbers(values: Iterable[float | None]) -> list[float | None]:
    """What JSON can carry: numbers as they are, the rest as null."""
    return [v if v is not None and math.isfinite(v) else None for v in values]


def focus(
    values: Sequence[float], *, log: bool, include: Iterable[float] = ()
) -> list[float] | None:
    """An axis range without far outliers, but with what it must `include`; none where none are far.

    Quartiles q1 and q3 span a box; what lies more than `FAR` boxes outside is far (Tukey 1977).
    A logarithmic axis is judged, and its range given, in log10.
    """
    numbers = sorted(math.log10(v) if log else v for v in values if v > 0 or not log)
    if len(numbers) < 8:
        return None
    q1, q3 = numbers[len(numbers) // 4], numbers[3 * len(numbers) // 4]
    included = [math.log10(v) if log else v for v in include if v > 0 or not log]
    low = min([q1 - FAR * (q3 - q1), *included])
    high = max([q3 + FAR * (q3 - q1), *included])
    inside = [number for number in numbers if low <= number <= high]
    if q1 == q3 or len(inside) == len(numbers):
        return None
    padding = 0.06 * (inside[-1] - inside[0])
    return [inside[0] - padding, inside[-1] + padding]


def shade(rank: int, count: int) -> str:
    """The colour of the rank-th best of count (0 is best): from the scale's good end down."""
    badness = 0.0 if count <= 1 else rank / (count - 1)
    position = (1.0 - badness) * (len(SCALE) - 1)
    left = min(int(position), len(SCALE) - 2)
    fraction = position - left
    low, high = _rgb(SCALE[left]), _rgb(SCALE[left + 1])
    mixed = (round(a + (b - a) * fraction) for a, b in zip(low, high, strict=True))
    return "rgb({}, {}, {})".format(*mixed)


def escape(text: str) -> str:
    """Text that a figure shows as it is: Plotly reads tags such as <b> and <a> in labels."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _rgb(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)
