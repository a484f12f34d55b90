"""Distributions: what values a parameter may take, and how likely each is.

On the wire a distribution is an object with its own name as key: `{log_uniform: [1e-5, 1]}`.
Both ends are included. Each maps the unit interval onto its values (`from_unit`), so that every
sampler draws uniform numbers and knows nothing of logarithms. `searchable` says where in a spec one
may stand.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Generic, Self, TypeAlias, TypeVar

from pydantic import (
    Field,
    model_validator,
)
from pydantic_core import PydanticCustomError

from hpsearch.spec.language.base import SpecModel
from hpsearch.spec.language.messages import DISTRIBUTIONS, format_value

T = TypeVar("T")

Value: TypeAlias = Any
"""A parameter's value as JSON has it: number, string, boolean, null, list, or a branch's label."""

LARGEST_INTEGER = 2**31 - 1

FiniteReal = Annotated[float, Field(strict=True, allow_inf_nan=False)]
StrictInteger = Annotated[int, Field(strict=True)]


class Distribution(SpecModel, use_attribute_docstrings=False):
    """What all distributions share."""

    key: ClassVar[str]

    @abstractmethod
    def from_unit(self, unit: float) -> Value:
        """The value at `unit` in [0, 1)."""

    @abstractmethod
    def to_unit(self, value: Value) -> float:
        """Where a value lies in [0, 1); the middle of its cell for discrete values."""

    @abstractmethod
    def contains(self, value: Value) -> bool:
        """Whether the value can be drawn."""


class Interval(Distribution):
    """Numbers between two ends, uniform on a linear or a logarithmic axis.

    With a step the values are low, low + step, ...; each owns the cell that reaches half a step
    to either side, so all have equal shares on a linear axis.
    """

    integer: ClassVar[bool] = False
    log: ClassVar[bool] = False

    @property
    def ends(self) -> tuple[float, float]:
        """Lowest and highest value."""
        low, high = getattr(self, self.key)
        return low, high

    @property
    def low(self) -> float:
        """Lowest value."""
        return self.ends[0]

    @property
    def high(self) -> float:
        """Highest value."""
        return self.ends[1]

    @property
    def spacing(self) -> float | None:
        """Distance of neighbouring values; none where values are continuous."""
        # Kinds without the field have no such attribute, and asking pydantic for one is slow.
        return self.__dict__.get("step") or (1 if self.integer else None)

    @model_validator(mode="before")
    @classmethod
    def _has_two_ends(cls, data: Any) -> Any:
        ends = data.get(cls.key) if isinstance(data, Mapping) else (0, 0)
        if not isinstance(ends, list | tuple) or len(ends) != 2:
            raise PydanticCustomError(
                "bad_range",
                "{key}: must be [low, high], got {ends}",
                {"key": cls.key, "ends": format_value(ends)},
            )
        return data

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        low, high = self.ends
        if low > high:
            raise PydanticCustomError(
                "bad_range",
                "{key}: low must be <= high, got [{low}, {high}]; swap them",
                {"key": self.key, "low": format_value(low), "high": format_value(high)},
            )
        if self.log and low <= 0:
            linear = self.key.replace("log_", "")
            raise PydanticCustomError(
                "bad_range",
                "{key}: low must be > 0, got {low}; use {linear} or a positive low",
                {"key": self.key, "low": format_value(low), "linear": linear},
            )
        if math.isinf(float(high) - float(low)):
            raise PydanticCustomError(
                "bad_range",
                "{key}: high - low must be finite, got [{low}, {high}]; narrow it",
                {"key": self.key, "low": format_value(low), "high": format_value(high)},
            )
        return self

    def _axis(self) -> tuple[float, float]:
        """Ends of the transformed axis, widened by half a cell for discrete values."""
        low, high = float(self.low), float(self.high)
        if self.spacing is not None:
            low, high = low - self.spacing / 2, self._top() + self.spacing / 2
            if self.log:
                low = max(low, self.low / 2)
        return (math.log(low), math.log(high)) if self.log else (low, high)

    def _top(self) -> float:
        """Highest value that the step reaches."""
        if self.spacing is None:
            return self.high
        return min(self.step_value(self.cells), self.high)

    @property
    def cells(self) -> int:
        """How many steps lie between the ends."""
        step = self.spacing or 1
        if self.integer:
            return int((self.high - self.low) // step)
        low, high, exact = (Decimal(repr(float(v))) for v in (self.low, self.high, step))
        # Ends that were computed may miss a step by a little.
        return max(
            math.floor((high - low) / exact), math.floor((self.high - self.low) / step + 1e-9)
        )

    def step_value(self, cell: int) -> float:
        """The decimal that is meant by low + cell·step: 0.3 for 0.1 + 2·0.1."""
        if self.integer:
            return self.low + (self.spacing or 1) * cell
        low, step = Decimal(repr(float(self.low))), Decimal(repr(float(self.spacing or 0)))
        return float(low + step * cell)

    def from_unit(self, unit: float) -> Value:
        """The value at `unit` in [0, 1)."""
        return self._nearest(self._at(unit))

    def to_unit(self, value: Value) -> float:
        """Where a value lies in [0, 1]; 0.5 in a range of one point."""
        start, end = self._axis()
        if start == end:
            return 0.5
        point = math.log(value) if self.log else value
        return float((point - start) / (end - start))

    def subrange(
        self, start: float, end: float, low: float | None = None, high: float | None = None
    ) -> Self:
        """The range between two positions on the axis.

        Args:
            start: in units of the whole, 0 for the low end; below 0 reaches past it.
            end: likewise, 1 for the high end; above 1 reaches past it.
            low: what the new range must not fall below, if any.
            high: what it must not exceed.

        Returns:
            A range of the same kind; with a step, its values are on the same grid.
        """
        ends = [
            self.low if start == 0 else self._at(start),  # exactly, whatever the axis rounds to
            self.high if end == 1 else self._at(end),
        ]
        if self.spacing is not None:
            cells = [(value - self.low) / self.spacing for value in ends]
            first, last = math.ceil(cells[0] - 1e-9), math.floor(cells[1] + 1e-9)
            if first > last:  # no value in between: the nearest one
                first = last = round(sum(cells) / 2)
            ends = [self.step_value(cell) for cell in (first, last)]
        floor, ceiling = ends
        if low is not None:
            floor = max(floor, min(low, self.low))
        if high is not None:
            ceiling = min(ceiling, max(high, self.high))
        if self.integer:
            floor, ceiling = round(floor), round(ceiling)
        return self.model_copy(update={self.key: (floor, ceiling)})

    def _at(self, unit: float) -> float:
        """The number at a position on the axis, before it is rounded to a step."""
        start, end = self._axis()
        point = start + unit * (end - start)
        return math.exp(point) if self.log else point

    def grid_points(self, count: int) -> list[Value]:
        """`count` values from low to high, equally far apart on the axis, without repeats."""
        if count == 1:
            return [self.from_unit(0.5)]
        start, end = float(self.low), float(self._top())
        values = []
        for i in range(count):
            if self.log:
                share = i / (count - 1)
                point = math.log(start) + (math.log(end) - math.log(start)) * share
                values.append(self._nearest(_short(math.exp(point))))
            else:
                low, high = Decimal(repr(start)), Decimal(repr(end))
                values.append(self._nearest(float(low + (high - low) * i / (count - 1))))
        # Exactly the ends, which exp(log(end)) may miss by a little.
        return sorted({self.low, *values[1:-1], self._nearest(self._top())})

    def _nearest(self, value: float) -> Value:
        """The value of the range that is nearest to a number."""
        if self.spacing is not None:
            cell = round((value - self.low) / self.spacing)
            value = self.step_value(min(max(cell, 0), self.cells))
        value = min(max(value, self.low), self._top())
        return round(value) if self.integer else value

    def contains(self, value: Value) -> bool:
        """Whether the value can be drawn."""
        if isinstance(value, bool) or not isinstance(value, int if self.integer else int | float):
            return False
        if not self.low <= value <= self.high:
            return False
        if self.spacing is None:
            return True
        cells = (value - self.low) / self.spacing
        return value == self.step_value(round(cells)) or math.isclose(
            cells, round(cells), abs_tol=1e-9
        )


class Uniform(Interval):
    """Uniform between two ends."""

    key = "uniform"
    uniform: tuple[FiniteReal, FiniteReal]
    step: Annotated[FiniteReal, Field(gt=0)] | None = None


class LogUniform(Interval):
    """10^U(log10 low, log10 high): every decade is equally likely."""

    key = "log_uniform"
    log = True
    log_uniform: tuple[FiniteReal, FiniteReal]
    step: Annotated[FiniteReal, Field(gt=0)] | None = None


class IntUniform(Interval):
    """Whole numbers, each equally likely."""

    key = "int_uniform"
    integer = True
    int_uniform: tuple[StrictInteger, StrictInteger]
    step: Annotated[StrictInteger, Field(gt=0)] | None = None


class IntLogUniform(Interval):
    """Whole numbers, uniform on a logarithmic axis."""

    key = "int_log_uniform"
    integer = True
    log = True
    int_log_uniform: tuple[StrictInteger, StrictInteger]
    step: Annotated[StrictInteger, Field(gt=0)] | None = None


class Choice(Distribution, Generic[T]):
    """One of several options, each equally likely; options may be objects with ranges inside."""

    key = "choice"
    choice: Annotated[tuple[T, ...], Field(min_length=1)]

    def from_unit(self, unit: float) -> Value:
        """The option at `unit` in [0, 1)."""
        return self.choice[min(int(unit * len(self.choice)), len(self.choice) - 1)]

    def to_unit(self, value: Value) -> float:
        """The middle of the option's share."""
        return (self.index(value) + 0.5) / len(self.choice)

    def index(self, value: Value) -> int:
        """Which option a value is; 1 and true are different options, 1 and 1.0 are not."""
        for i, option in enumerate(self.choice):
            if option == value and isinstance(option, bool) == isinstance(value, bool):
                return i
        raise ValueError(f"{value!r} is none of the options")

    def contains(self, value: Value) -> bool:
        """Whether the value is an option."""
        try:
            self.index(value)
        except ValueError:
            return False
        return True


def _short(value: float) -> float:
    """The decimal of ten digits that a number misses by rounding alone, where there is one."""
    decimal = float(f"{value:.10g}")
    return decimal if math.isclose(value, decimal, rel_tol=1e-13) else value


def options_of(value: Any) -> tuple[Any, ...]:
    """The options of a choice, or a plain value alone."""
    return value.choice if isinstance(value, Choice) else (value,)


def values_of(value: Any) -> tuple[Any, ...]:
    """The options of a choice, the two ends of a range, or a plain value alone.

    Of a choice that has ranges among its options, their ends.
    """
    if isinstance(value, Interval):
        return value.ends
    return tuple(
        one
        for option in options_of(value)
        for one in (option.ends if isinstance(option, Interval) else (option,))
    )


CONTINUOUS: tuple[type[Interval], ...] = (Uniform, LogUniform, IntUniform, IntLogUniform)
DISCRETE: tuple[type[Interval], ...] = (IntUniform, IntLogUniform)
KEYS = DISTRIBUTIONS
