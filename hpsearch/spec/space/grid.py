"""A grid over a search space: the points of each parameter, and their combinations.

A parameter inside a branch multiplies that branch alone, so a grid over
`optimizer: {choice: [adam, momentum]}` holds each of adam's combinations once.

Steps         the values of a stepped range, computed when they are asked for
Grid          all combinations, each with its index from 0
grid_of       the grid that a study asks for
whole_grid    every configuration of a space that has finitely many
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import overload

from hpsearch.errors import FieldError, InvalidInput
from hpsearch.spec.language.distributions import Choice, Distribution, Interval, Value
from hpsearch.spec.searches.base import LARGEST_STUDY
from hpsearch.spec.space.space import Parameter, SearchSpace

Points = int | Mapping[str, int] | None

MANY = 2**31
"""A range with more values than this counts as continuous."""


class Steps(Sequence[Value]):
    """low, low + step, ... up to high, computed when they are asked for."""

    def __init__(self, interval: Interval) -> None:
        self.interval = interval
        self._count = steps(interval)

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Value: ...
    @overload
    def __getitem__(self, index: slice) -> list[Value]: ...
    def __getitem__(self, index: int | slice) -> Value | list[Value]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        # As the distribution computes it, so that a grid's points are values it can draw.
        return min(self.interval.step_value(index % len(self)), self.interval.high)


class Grid:
    """All combinations of points, numbered from 0; the last parameter moves fastest."""

    def __init__(self, space: SearchSpace, points: Mapping[str, Sequence[Value]]) -> None:
        self._points = points
        self._distributions = {
            p.name: Choice(choice=tuple(points[p.name]))
            if isinstance(p.distribution, Choice)
            else p.distribution
            for p in space.parameters
        }
        self._inside: dict[tuple[str, Value] | None, list[Parameter]] = {}
        for parameter in space.parameters:
            self._inside.setdefault(parameter.branch, []).append(parameter)
        openers = {branch[0] for branch in self._inside if branch is not None}
        self._below: dict[str, list[int]] = {}
        """For each point of a choice that opens branches, the combinations below it."""
        for parameter in reversed(space.parameters):  # branches stand after what opens them
            if parameter.name in openers:
                name = parameter.name
                self._below[name] = [self._size((name, value)) for value in points[name]]
        self.size = self._size(None)
        """How many there are."""

    def at(self, index: int) -> dict[str, Value]:
        """The combination of an index in 0..size-1."""
        return dict(self._at(None, index))

    def index_of(self, params: Mapping[str, Value]) -> int:
        """The index of a combination, whose values must be points of a whole grid."""
        return self._index(None, params)

    def _size(self, branch: tuple[str, Value] | None) -> int:
        size = 1
        for parameter in self._inside.get(branch, ()):
            size *= self._width(parameter)
        return size

    def _width(self, parameter: Parameter) -> int:
        """Combinations of a parameter's points with what hangs on them."""
        below = self._below.get(parameter.name)
        return len(self._points[parameter.name]) if below is None else sum(below)

    def _at(self, branch: tuple[str, Value] | None, index: int) -> Iterator[tuple[str, Value]]:
        left = self._size(branch)
        for parameter in self._inside.get(branch, ()):
            name, points = parameter.name, self._points[parameter.name]
            left //= self._width(parameter)
            digit, index = divmod(index, left)
            if name not in self._below:
                yield name, points[digit]
                continue
            for value, count in zip(points, self._below[name], strict=True):
                if digit < count:
                    yield name, value
                    yield from self._at((name, value), digit)
                    break
                digit -= count

    def _index(self, branch: tuple[str, Value] | None, params: Mapping[str, Value]) -> int:
        index = 0
        for parameter in self._inside.get(branch, ()):
            name = parameter.name
            digit = _digit(self._distributions[name], params[name])
            if name in self._below:
                label = self._points[name][digit]
                digit = sum(self._below[name][:digit]) + self._index((name, label), params)
            index = index * self._width(parameter) + digit
        return index


def grid_of(space: SearchSpace, points: Points) -> Grid:
    """The grid of a study.

    Raises:
        InvalidInput: for a continuous range without a number of points, an unknown name, or more
            combinations than a study may have trials.
    """
    errors = [
        FieldError(f"search.points.{name}", "is no range of this study; leave it out")
        for name in (points if isinstance(points, Mapping) else ())
        if name not in {p.name for p in space.parameters if isinstance(p.distribution, Interval)}
    ]
    points_by_name: dict[str, Sequence[Value]] = {}
    for parameter in space.parameters:
        count = points.get(parameter.name) if isinstance(points, Mapping) else points
        values = _points(parameter.distribution, count)
        if values is not None:
            points_by_name[parameter.name] = values
            continue
        errors.append(
            FieldError(
                "search.points",
                f"is required for the continuous range of {parameter.name}; "
                "add points: 5, or give the range a step",
            )
        )
    if errors:
        raise InvalidInput(errors)
    grid = Grid(space, points_by_name)
    if grid.size > LARGEST_STUDY:
        raise InvalidInput.at(
            "search.points",
            f"must give at most {LARGEST_STUDY:,} combinations, got {grid.size:,}; "
            "take fewer points, or another search",
        )
    return grid


def grid_size(space: SearchSpace, points: Points) -> int:
    """How many combinations the grid of a study has.

    Raises:
        InvalidInput: as `grid_of`.
    """
    return grid_of(space, points).size


def whole_grid(space: SearchSpace) -> Grid | None:
    """Every configuration of a space; none where a range is continuous."""
    points: dict[str, Sequence[Value]] = {}
    for parameter in space.parameters:
        values = _points(parameter.distribution, None)
        if values is None:
            return None
        points[parameter.name] = values
    return Grid(space, points)


def steps(interval: Interval) -> int:
    """How many values a stepped range has."""
    return interval.cells + 1


def _points(distribution: Distribution, count: int | None) -> Sequence[Value] | None:
    """The values of a parameter in a grid; none for a continuous range without a count."""
    if isinstance(distribution, Choice):
        options = distribution.choice
        return [option for i, option in enumerate(options) if distribution.index(option) == i]
    if not isinstance(distribution, Interval):
        return None
    if distribution.low == distribution.high:
        return [distribution.low]
    if count is not None:
        return distribution.grid_points(count)
    if distribution.spacing is None or steps(distribution) > MANY:
        return None
    return Steps(distribution)


def _digit(distribution: Distribution, value: Value) -> int:
    """The index of a value among all that a discrete distribution has."""
    if isinstance(distribution, Choice):
        return distribution.index(value)
    if not isinstance(distribution, Interval) or distribution.low == distribution.high:
        return 0
    digit: int = round((value - distribution.low) / (distribution.spacing or 1))
    return digit
