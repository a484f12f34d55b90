"""The search space of a study, read off its spec, and back again.

A parameter is named by its dotted path (`optimizer.lr`). A choice among objects is a parameter
whose values are labels, the option's `kind` where that tells them apart, else its position; what
lies inside a chosen object carries the label in brackets (`optimizer[adam].lr`) and exists only
when that branch was chosen. A choice between numbers and ranges is one too: of
`{choice: [0, {log_uniform: [1e-6, 1e-2]}]}` the values are 0 and "log_uniform", and the number is
`optimizer.weight_decay[log_uniform]`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias, get_args

from pydantic import BaseModel

from hpsearch.errors import FieldError, InvalidInput
from hpsearch.spec.language.base import wire_names
from hpsearch.spec.language.distributions import Choice, Distribution, Interval, Value
from hpsearch.spec.language.messages import format_value
from hpsearch.spec.language.searchable import Integer, Real
from hpsearch.spec.study import StudySpec, parse_study

Rule: TypeAlias = Real | Integer | None
"""The mark of a field that holds numbers, with their bounds."""


@dataclass(frozen=True)
class Parameter:
    """One dimension; `branch` is the (parameter, label) that it hangs on, if any."""

    name: str
    distribution: Distribution
    branch: tuple[str, str] | None = None
    bounds: tuple[float | None, float | None] = (None, None)
    """The least and greatest value that the field takes, as far as a range may be extended."""


@dataclass(frozen=True)
class SearchSpace:
    """All parameters, a branch's after the choice that opens it."""

    parameters: tuple[Parameter, ...]

    @cached_property
    def names(self) -> frozenset[str]:
        """All names."""
        return frozenset(parameter.name for parameter in self.parameters)

    def draw(self, pick: Callable[[Parameter], Value]) -> dict[str, Value]:
        """One configuration: `pick` is asked for each parameter that the earlier ones open."""
        params: dict[str, Value] = {}
        for parameter in self.parameters:
            if parameter.branch is None or params.get(parameter.branch[0]) == parameter.branch[1]:
                params[parameter.name] = pick(parameter)
        return params

    def fits(self, params: Mapping[str, Value]) -> bool:
        """Whether a configuration could have been drawn."""
        matched = 0
        for parameter in self.parameters:
            if parameter.branch is None or params.get(parameter.branch[0]) == parameter.branch[1]:
                if parameter.name not in params:
                    return False
                if not parameter.distribution.contains(params[parameter.name]):
                    return False
                matched += 1
        return matched == len(params)

    def check(self, params: Mapping[str, Value]) -> None:
        """Checks a configuration that a person gave.

        Raises:
            InvalidInput: for a missing, unknown or impossible value.
        """
        errors = []

        def checked(parameter: Parameter) -> Value:
            if parameter.name not in params:
                errors.append(FieldError(parameter.name, "is required; add a value"))
                return None
            value = params[parameter.name]
            if not parameter.distribution.contains(value):
                bounds = parameter.distribution.model_dump(mode="json", exclude_none=True)
                errors.append(
                    FieldError(
                        parameter.name, f"must be drawn from {bounds}, got {format_value(value)}"
                    )
                )
            return value

        expected = self.draw(checked)
        errors += [
            FieldError(name, "is no parameter of this study's space; leave it out")
            for name in params
            if name not in expected
        ]
        if errors:
            raise InvalidInput(errors)


def search_space(spec: StudySpec) -> SearchSpace:
    """Every distribution in a spec as a parameter, in the order of its fields."""
    return SearchSpace(tuple(_parameters(spec, "", None)))


def chosen_value(params: Mapping[str, Value], name: str, default: Value) -> Value:
    """A number's value in a configuration: its own, or that of the range that was chosen for it.

    Args:
        params: the configuration.
        name: the parameter's.
        default: what it is where nothing is searched.
    """
    value = params.get(name, default)
    return params.get(f"{name}[{value}]", value)


def resolve(spec: StudySpec, params: Mapping[str, Value]) -> StudySpec:
    """The spec of one trial: each distribution replaced by the trial's value."""
    return parse_study(_resolved(spec, "", params))


def labels(choice: Choice[Any]) -> tuple[Value, ...]:
    """What stands for each option: itself, or its label where options are objects."""
    if any(isinstance(option, Interval) for option in choice.choice):
        return _labels_of_ranges(choice.choice)
    if not any(_is_object(option) for option in choice.choice):
        return tuple(_plain(option) for option in choice.choice)
    kinds = [_kind(option) for option in choice.choice]
    times = Counter(kinds)
    return tuple(
        kind if kind and times[kind] == 1 else str(position) for position, kind in enumerate(kinds)
    )


def _labels_of_ranges(options: Sequence[Any]) -> tuple[Value, ...]:
    """Plain options as they are; ranges by their kind, with the position where one has several."""
    kinds = [option.key if isinstance(option, Interval) else None for option in options]
    return tuple(
        option if kind is None else kind if kinds.count(kind) == 1 else f"{kind} {position}"
        for position, (option, kind) in enumerate(zip(options, kinds, strict=True))
    )


def _is_object(value: Any) -> bool:
    return isinstance(value, BaseModel | Mapping)


def _kind(option: Any) -> str:
    kind = option.get("kind") if isinstance(option, Mapping) else getattr(option, "kind", "")
    return kind if isinstance(kind, str) and kind.isidentifier() else ""


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _children(value: Any, path: str, rule: Rule) -> Iterator[tuple[str, Any, Rule]]:
    """What lies inside a value, each with its path and the rule of its field."""
    if isinstance(value, BaseModel):
        for name, called in wire_names(type(value)).items():
            field = type(value).model_fields[name]
            inner_rule = _rule((field.annotation, *field.metadata))
            yield _join(path, called), getattr(value, name), inner_rule
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield _join(path, name), item, rule
    elif isinstance(value, tuple):
        for position, item in enumerate(value):
            yield _join(path, str(position)), item, rule


def _rule(hints: tuple[Any, ...]) -> Rule:
    """The mark in a field's type, however deep it lies."""
    for hint in hints:
        if isinstance(hint, Real | Integer):
            return hint
        inner = _rule(get_args(hint))
        if inner is not None:
            return inner
    return None


def _bounds(rule: Rule, distribution: Distribution) -> tuple[float | None, float | None]:
    """How far a range may be extended; towards an open bound it goes half the way."""
    if rule is None or not isinstance(distribution, Interval):
        return None, None
    given = rule.bounds
    low, high = given.get("ge"), given.get("le")
    step = 1 if distribution.integer else None
    if "gt" in given and not (distribution.log and given["gt"] <= 0):
        low = given["gt"] + (step or (distribution.low - given["gt"]) / 2)
    if "lt" in given:
        high = given["lt"] - (step or (given["lt"] - distribution.high) / 2)
    return low, high


def _parameters(
    value: Any, path: str, branch: tuple[str, str] | None, rule: Rule = None
) -> Iterator[Parameter]:
    if isinstance(value, Choice):
        names = labels(value)
        yield Parameter(path, Choice(choice=names), branch)
        for label, option in zip(names, value.choice, strict=True):
            if isinstance(option, Interval):
                inside = f"{path}[{label}]"
                yield Parameter(inside, option, (path, str(label)), _bounds(rule, option))
            elif _is_object(option):
                for child_path, child, inner in _children(option, f"{path}[{label}]", rule):
                    yield from _parameters(child, child_path, (path, label), inner)
    elif isinstance(value, Distribution):
        yield Parameter(path, value, branch, _bounds(rule, value))
    else:
        for child_path, child, inner in _children(value, path, rule):
            yield from _parameters(child, child_path, branch, inner)


def _resolved(value: Any, path: str, params: Mapping[str, Value]) -> Any:
    if isinstance(value, Choice):
        label = params[path]
        option = value.choice[Choice(choice=labels(value)).index(label)]
        inner = f"{path}[{label}]" if _is_object(option) else path
        return _resolved(option, inner, params)
    if isinstance(value, Distribution):
        return params[path]
    if isinstance(value, BaseModel):
        return {
            called: _resolved(getattr(value, name), _join(path, called), params)
            for name, called in wire_names(type(value)).items()
        }
    if isinstance(value, Mapping):
        return {name: _resolved(item, _join(path, name), params) for name, item in value.items()}
    if isinstance(value, tuple):
        return [_resolved(item, _join(path, str(i)), params) for i, item in enumerate(value)]
    return value


def _plain(option: Any) -> Value:
    return list(map(_plain, option)) if isinstance(option, tuple) else option
