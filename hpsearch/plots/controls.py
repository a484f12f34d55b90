"""What a page puts beside a figure, so that people can choose a field of its query.

A control stands in the annotation of a field:

    metric: Annotated[Name | None, MetricSelect("metric")] = None
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, TypeAlias, get_args

from pydantic import StringConstraints
from pydantic.fields import FieldInfo

from hpsearch.plots.dimensions import VALUE, axes, default_axes
from hpsearch.plots.figure import FigureQuery, StudyData
from hpsearch.spec.space.space import search_space

Name: TypeAlias = Annotated[str, StringConstraints(max_length=200)]
"""Of a metric, an axis or a panel."""

LogAxes: TypeAlias = Annotated[str, StringConstraints(max_length=10)]
"""Axes to show by decades: "x", "y" or "xy"."""


@dataclass(frozen=True)
class Option:
    """One of the values that a control offers."""

    name: str
    """The value, as a query says it."""
    text: str
    """What people read."""
    in_address: str
    """What the page's address says of it; empty where the address need not mention it."""
    is_default: bool = False
    """Whether it is chosen when the address says nothing."""


@dataclass(frozen=True)
class Control(ABC):
    """How people choose a field of a figure's query on the study's page."""

    label: str = ""
    """Stands before it."""
    key: str = ""
    """Its name in the page's address; empty makes it `<figure>_<field>`."""
    aria_label: str = ""
    """Its name for a screen reader, where `label` is not enough."""
    position: int = 0
    """Controls stand by it; those of one position in the order of their fields."""

    keyword_only: ClassVar[bool] = False
    """Whether `study.plot` takes the field by its name alone."""

    @abstractmethod
    def options(self, field: FieldInfo, data: StudyData) -> Sequence[Option]:
        """What it offers for a study."""


@dataclass(frozen=True)
class MetricSelect(Control):
    """Offers the study's metrics, the objective's first."""

    def options(self, field: FieldInfo, data: StudyData) -> Sequence[Option]:
        """The metrics reported so far; the objective's is the default."""
        del field
        metrics = data.metrics()
        return _options(metrics, default=metrics[0])


@dataclass(frozen=True)
class AxisSelect(Control):
    """Offers the parameters that vary, and the objective."""

    upward: bool = False
    """Whether it is the vertical axis, which starts at another parameter than the horizontal."""
    parameters_only: bool = False
    """Whether the objective is left out."""

    def options(self, field: FieldInfo, data: StudyData) -> Sequence[Option]:
        """The axes of the study's space; learning rate and weight decay are the defaults."""
        del field
        objective = data.spec.objectives[0]
        default = default_axes(data.spec)[self.upward]
        names = [axis.name for axis in axes(search_space(data.spec), objective)]
        return [
            Option(name, objective.metric if name == VALUE else name, name, name == default)
            for name in names
            if not (self.parameters_only and name == VALUE)
        ]


@dataclass(frozen=True)
class LiteralSelect(Control):
    """Offers the values of a `Literal` field."""

    def options(self, field: FieldInfo, data: StudyData) -> Sequence[Option]:
        """The values, as words."""
        del data
        options = _options(get_args(field.annotation), default=field.default)
        return [replace(option, text=option.name.replace("_", " ")) for option in options]


@dataclass(frozen=True)
class NumberSelect(Control):
    """Offers some numbers."""

    numbers: Sequence[int] = ()

    keyword_only: ClassVar[bool] = True

    def options(self, field: FieldInfo, data: StudyData) -> Sequence[Option]:
        """The numbers."""
        del data
        return _options([str(number) for number in self.numbers], default=str(field.default))


@dataclass(frozen=True)
class LogBoxes(Control):
    """A box to tick for each axis that can be logarithmic."""

    axes: str = "xy"
    """One letter for each."""

    keyword_only: ClassVar[bool] = True

    def options(self, field: FieldInfo, data: StudyData) -> Sequence[Option]:
        """The axes; none is logarithmic by default."""
        del field, data
        return [Option(axis, f"log {axis}", axis) for axis in self.axes]


def controls_of(query: type[FigureQuery]) -> dict[str, Control]:
    """The control of each field that has one, in the order of the fields."""
    return {
        name: control
        for name, field in query.model_fields.items()
        for control in field.metadata
        if isinstance(control, Control)
    }


def _options(names: Sequence[str], default: str) -> list[Option]:
    """An option for each name; the address need not mention the default."""
    return [Option(name, name, "" if name == default else name, name == default) for name in names]
