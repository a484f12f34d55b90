"""The marks of a field in whose place a distribution may stand.

Real, Integer   `Annotated[float, Real(gt=0)]` is a number > 0 or a distribution whose ends are > 0.
OneOf           `OneOf[X]` is an X or a choice among several.

Type checkers see the plain type, which is what a spec holds once `space.resolve` has put a value in
the place of each distribution.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, TypeVar

from pydantic import (
    AfterValidator,
    ConfigDict,
    Discriminator,
    Field,
    GetCoreSchemaHandler,
    Tag,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import CoreSchema, PydanticCustomError

from hpsearch.spec.language.base import tag
from hpsearch.spec.language.distributions import (
    CONTINUOUS,
    DISCRETE,
    KEYS,
    LARGEST_INTEGER,
    Choice,
    Distribution,
    Interval,
)
from hpsearch.spec.language.messages import VALUE_TAG, sentence

T = TypeVar("T")

_VALUE = VALUE_TAG


def _tag_of(value: Any) -> str:
    if isinstance(value, Distribution):
        return tag(value.key)
    if isinstance(value, Mapping):
        for key in KEYS:
            if key in value:
                return tag(key)
    return _VALUE


def _ends_within(value_type: Any) -> AfterValidator:
    """Holds the ends of a range to the rules of the value it stands for."""
    # Built at its first use: a spec has a hundred of them, a study uses a few.
    adapter: TypeAdapter[Any] = TypeAdapter(value_type, config=ConfigDict(defer_build=True))

    def check(interval: Interval) -> Interval:
        for name, end in (("low", interval.low), ("high", interval.high)):
            try:
                adapter.validate_python(end)
            except ValidationError as error:
                raise PydanticCustomError(
                    "bad_range",
                    "{key}: {name} {sentence}",
                    {"key": interval.key, "name": name, "sentence": sentence(error.errors()[0])},
                ) from error
        return interval

    return AfterValidator(check)


def _value_or_distribution(value_type: Any, intervals: tuple[type[Interval], ...]) -> Any:
    value = Annotated[value_type, Tag(_VALUE)]
    ranges = [Annotated[kind, _ends_within(value_type), Tag(tag(kind.key))] for kind in intervals]
    option = value_type
    if ranges:  # 0 or a range, say
        option = Annotated[reduce(or_, [value, *ranges]), Discriminator(_tag_of)]
    choice = Choice.__class_getitem__(option)
    members = [value, Annotated[choice, Tag(tag(Choice.key))], *ranges]
    return Annotated[reduce(or_, members), Discriminator(_tag_of)]


@cache
def _real(bounds: tuple[tuple[str, float], ...]) -> Any:
    value = Annotated[float, Field(strict=True, allow_inf_nan=False, **dict(bounds))]
    return _value_or_distribution(value, CONTINUOUS)


@cache
def _integer(bounds: tuple[tuple[str, int], ...]) -> Any:
    value = Annotated[int, Field(strict=True, **dict(bounds))]
    return _value_or_distribution(value, DISCRETE)


class Real:
    """Marks a real number that may be searched; keyword arguments are the field's bounds."""

    def __init__(self, **bounds: float) -> None:
        self.bounds = bounds

    def __get_pydantic_core_schema__(self, _: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return handler.generate_schema(_real(tuple(self.bounds.items())))


class Integer:
    """Marks a whole number that may be searched; keyword arguments are the field's bounds.

    Unless told, it is at most `LARGEST_INTEGER`, what a database column holds.
    """

    def __init__(self, **bounds: int) -> None:
        self.bounds = bounds if "lt" in bounds else {"le": LARGEST_INTEGER, **bounds}

    def __get_pydantic_core_schema__(self, _: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return handler.generate_schema(_integer(tuple(self.bounds.items())))


if TYPE_CHECKING:
    OneOf: TypeAlias = Annotated[T, "choice"]
else:

    class OneOf:
        """`OneOf[X]`: a value of type X, or a `choice` among several."""

        def __class_getitem__(cls, value_type: Any) -> Any:
            return _value_or_distribution(value_type, ())
