"""Dimensions of a figure: a parameter of the space or the objective, its axis and its colours."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hpsearch.errors import InvalidInput
from hpsearch.plots.style import COLORSCALE, axis, escape, focus
from hpsearch.spec.language.distributions import Choice, Interval
from hpsearch.spec.space.space import SearchSpace, search_space
from hpsearch.spec.study import Objective, StudySpec
from hpsearch.spec.wire.points import TrialPoint

DECADES = 2
"""From so many on, a logarithmic axis is labelled by decades alone."""
VALUE = "value"
"""The name of the axis that shows the objective."""


@dataclass(frozen=True)
class Dimension:
    """An axis: a parameter of the space, or the objective."""

    name: str
    title: str
    log: bool = False
    ends: tuple[float, float] | None = None
    labels: tuple[str, ...] = ()
    """Of a choice; its options lie at 0, 1, ..."""

    def positions(self, points: Sequence[TrialPoint]) -> list[float | None]:
        """Where trials lie along it; none for a trial without such a parameter."""
        if self.name == VALUE:
            return [point.value for point in points]
        name = self.name
        values = [point.params.get(name) for point in points]
        if self.labels:
            index = {label: float(i) for i, label in enumerate(self.labels)}
            return [index.get(str(value)) for value in values]
        return values

    def extended_to(self, values: Iterable[float]) -> Dimension:
        """The dimension with an axis long enough for values outside of its range."""
        if self.ends is None:
            return self
        reached = [*self.ends, *values]
        return replace(self, ends=(min(reached), max(reached)))


def axes(space: SearchSpace, objective: Objective) -> list[Dimension]:
    """What may be an axis: every parameter with more than one value, then the objective."""
    dimensions = []
    for parameter in space.parameters:
        distribution = parameter.distribution
        title = escape(parameter.name)
        if isinstance(distribution, Interval) and distribution.low < distribution.high:
            ends = (float(distribution.low), float(distribution.high))
            dimensions.append(Dimension(parameter.name, title, distribution.log, ends))
        elif isinstance(distribution, Choice) and len(distribution.choice) > 1:
            labels = tuple(str(option) for option in distribution.choice)
            dimensions.append(Dimension(parameter.name, title, labels=labels))
    return [*dimensions, Dimension(VALUE, escape(objective.metric))]


def axis_named(spec: StudySpec, field: str, name: str) -> Dimension:
    """The axis of a study that a field of a query names.

    Raises:
        InvalidInput: at the field, when the study has no such axis.
    """
    dimensions = {axis.name: axis for axis in axes(search_space(spec), spec.objectives[0])}
    if name not in dimensions:
        raise InvalidInput.at(field, f"must be one of {', '.join(dimensions)}; got {name[:60]!r}")
    return dimensions[name]


def default_axes(spec: StudySpec) -> tuple[str, str]:
    """Learning rate across and weight decay upward where both are searched, else the first two."""
    names = [axis.name for axis in axes(search_space(spec), spec.objectives[0])]
    preferred = [name for end in (".lr", ".weight_decay") for name in names if name.endswith(end)][
        :2
    ]
    ordered = preferred + [name for name in names if name not in preferred]
    return (ordered[0], ordered[1]) if len(ordered) > 1 else (ordered[0], ordered[0])


def axis_of(dimension: Dimension, positions: Sequence[float]) -> dict[str, Any]:
    """The axis of a dimension on which trials lie at these positions."""
    if dimension.labels:
        ticks = list(range(len(dimension.labels)))
        labels = [escape(label) for label in dimension.labels]
        return axis(
            dimension.title, tickmode="array", tickvals=ticks, ticktext=labels, automargin=True
        )
    if dimension.ends is None:
        view = focus(positions, log=False)
        return axis(dimension.title, view=view)
    low, high = map(math.log10, dimension.ends) if dimension.log else dimension.ends
    padding = 0.03 * (high - low)
    drawing = axis(dimension.title, log=dimension.log, view=[low - padding, high + padding])
    if dimension.log and high - low >= DECADES:
        drawing |= {"dtick": 1, "minor": {"ticks": "outside", "ticklen": 3}}
    return drawing


def colors(ordered: Sequence[float], objective: Objective) -> dict[str, Any]:
    """Colours for values from the best down; the far side of the bad end is one colour."""
    best = ordered[0] if ordered else 0.0
    worst = ordered[int(0.9 * (len(ordered) - 1))] if ordered else 1.0
    low, high = min(best, worst), max(best, worst)
    return {
        "cmin": low,
        "cmax": high if high > low else low + 1e-12,
        "colorscale": COLORSCALE,
        "reversescale": not objective.is_maximized,
        "showscale": True,
        "colorbar": {
            "title": {"text": escape(objective.metric), "side": "right"},
            "thickness": 10,
            "outlinewidth": 0,
            "len": 0.9,
        },
    }
