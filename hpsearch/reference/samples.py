"""Values that a field of a spec allows, read off its type: what generated pages try.

A number comes from the bounds of its mark (`Real`, `Integer`, `Field`), a word from its `Literal`,
an object from its class's `example`, a member of a family from the family's table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from hpsearch.spec.language.base import SpecModel
from hpsearch.spec.language.distributions import Distribution
from hpsearch.spec.language.family import Family
from hpsearch.spec.language.searchable import Integer, Real

MOST = 3
"""Numbers of one field."""


def samples(model: type[SpecModel], name: str) -> list[Any]:
    """Values of a field as JSON has them: its default, that of the example, then others.

    Each alone keeps to the field's own rule; together with other fields it may break one.
    """
    field = model.model_fields[name]
    values = [] if field.is_required() else [_plain(field.get_default(call_default_factory=True))]
    values += [model.example[name]] if name in model.example else []
    values += _of(field.annotation, field.metadata)
    return [value for place, value in enumerate(values) if value not in values[:place]]


def object_type(hint: Any) -> type[SpecModel] | None:
    """The class of the object that a type allows, `Clip` for `OneOf[Clip | None]`; None if none."""
    if isinstance(hint, type):
        return hint if issubclass(hint, SpecModel) and not issubclass(hint, Distribution) else None
    if get_origin(hint) in (Union, UnionType, Annotated):
        return next(filter(None, map(object_type, get_args(hint))), None)
    return None


def is_number(hint: Any, metadata: Any = ()) -> bool:
    """Whether a type allows numbers, or None beside them."""
    values = [value for value in _of(hint, metadata) if value is not None]
    return bool(values) and all(type(value) in (int, float) for value in values)


def _of(hint: Any, metadata: Any = ()) -> Iterator[Any]:
    """Values of a type, given what it is annotated with."""
    family = next((mark for mark in metadata if isinstance(mark, Family)), None)
    origin = get_origin(hint)
    if family is not None:
        for kind, member in family.members.items():
            yield {"kind": kind, **member.example}
    elif origin is Annotated:
        inner, *marks = get_args(hint)
        yield from _of(inner, [*metadata, *marks])
    elif origin is Literal:
        yield from get_args(hint)
    elif origin in (Union, UnionType):
        for option in get_args(hint):
            yield from _of(option)
    elif origin is tuple:
        yield from ([value] for value in _of(get_args(hint)[0]))
    elif hint is bool:
        yield from (False, True)
    elif hint in (int, float):
        yield from islice(_numbers(hint, _bounds(metadata)), MOST)
    elif (model := object_type(hint)) is not None:
        yield dict(model.example)


def _numbers(kind: type, bounds: Mapping[str, float]) -> Iterator[float]:
    """Numbers from the lower bound up, or between both; from 0 where none is given."""
    low = bounds.get("ge", bounds.get("gt", 0))
    high = bounds.get("le", bounds.get("lt"))
    if kind is float:
        width = 1.0 if high is None else high - low
        yield from (low + share * width for share in (0.5, 0.25, 0.75))
        return
    start = int(low) + ("gt" in bounds)
    last = start + MOST if high is None else int(high) - ("lt" in bounds)
    yield from range(start, last + 1)


def _bounds(metadata: Any) -> dict[str, float]:
    """The bounds that a number is marked with, by the names of pydantic's `Field`."""
    bounds: dict[str, float] = {}
    for mark in metadata:
        if isinstance(mark, Real | Integer):
            bounds |= mark.bounds
        elif isinstance(mark, FieldInfo):
            bounds |= _bounds(mark.metadata)
        else:
            for name in ("ge", "gt", "le", "lt"):
                if (bound := getattr(mark, name, None)) is not None:
                    bounds[name] = bound
    return bounds


def _plain(value: Any) -> Any:
    if isinstance(value, SpecModel):
        return value.model_dump(mode="json")
    return list(value) if isinstance(value, tuple) else value
