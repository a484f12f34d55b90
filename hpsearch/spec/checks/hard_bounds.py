"""Whether the ends that no extension may pass suit the ranges they belong to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from hpsearch.errors import FieldError, InvalidInput
from hpsearch.spec.language.distributions import Interval, Value
from hpsearch.spec.space.space import Parameter, SearchSpace, resolve
from hpsearch.spec.study import StudySpec


def hard_bound_errors(spec: StudySpec, space: SearchSpace) -> Iterator[FieldError]:
    """Hard bounds without a range, upside down, inside their range, or past its field's rule."""
    parameters = {parameter.name: parameter for parameter in space.parameters}
    for name, (low, high) in spec.search.range_limits.items():
        path = f"search.hard_bounds.{name}"
        parameter = parameters.get(name)
        if parameter is None or not isinstance(parameter.distribution, Interval):
            what = "parameter" if parameter is None else "range"
            yield FieldError(path, f"is no {what} of this study; leave it out")
            continue
        message = _range_error(parameter.distribution, low, high)
        if message is None:
            message = next(_field_errors(spec, space, parameter, (low, high)), None)
        if message is not None:
            yield FieldError(path, message)


def _range_error(range_: Interval, low: float, high: float) -> str | None:
    """What is wrong with bounds of a range; none where nothing is."""
    got = f"got [{low:g}, {high:g}]"
    if low > high:
        return f"low must be <= high, {got}; swap them"
    if range_.log and low <= 0:
        return f"low must be > 0 on a logarithmic axis, {got}; raise it"
    if range_.integer and not (float(low).is_integer() and float(high).is_integer()):
        return f"must be whole numbers for {range_.key}, {got}; round them"
    if low > range_.low or high < range_.high:
        return (
            f"must hold the range [{range_.low:g}, {range_.high:g}], {got}; "
            "widen them, or narrow the range"
        )
    return None


def _field_errors(
    spec: StudySpec, space: SearchSpace, parameter: Parameter, bounds: tuple[float, float]
) -> Iterator[str]:
    """What the field itself says of a trial at either bound."""
    integer = isinstance(parameter.distribution, Interval) and parameter.distribution.integer
    for bound in bounds:
        values: dict[str, Value] = {parameter.name: round(bound) if integer else bound}
        branch = parameter.branch
        while branch is not None:
            values[branch[0]] = branch[1]
            branch = next(p.branch for p in space.parameters if p.name == branch[0])
        params = space.draw(partial(_value, values))
        try:
            resolve(spec, params)
        except InvalidInput as error:
            field = parameter.name.rpartition(".")[2]
            messages = [e.message for e in error.errors if e.path.rpartition(".")[2] == field]
            if messages:
                yield f"{messages[0]} as a bound; take one that the field allows"


def _value(values: Mapping[str, Value], parameter: Parameter) -> Value:
    """The given value of a parameter, or the middle of its distribution."""
    return values.get(parameter.name, parameter.distribution.from_unit(0.5))
