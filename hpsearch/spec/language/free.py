"""Objects whose fields a plug-in names: any JSON, and distributions wherever a value may stand.

FreeObject   values by name
FreeValue    number, text, true, false, null, list, object, or a distribution of such
Option       what may be chosen: as above, but of distributions only ranges, and a choice only
             inside an object; either exists only when it is chosen

An object that holds a distribution's name (`uniform`, `choice`, ...) is that distribution.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from pydantic import BeforeValidator, Discriminator, Field, Tag
from pydantic_core import PydanticCustomError
from typing_extensions import TypeAliasType

from hpsearch.spec.language.base import tag
from hpsearch.spec.language.distributions import (
    KEYS,
    Choice,
    Distribution,
    IntLogUniform,
    IntUniform,
    LogUniform,
    Uniform,
)
from hpsearch.spec.language.messages import format_value, printable

_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")
_LIST, _OBJECT, _VALUE = tag("list"), tag("object"), tag("value")


def _tag_of(value: Any) -> str:
    if isinstance(value, Distribution):
        return tag(value.key)
    if isinstance(value, Mapping):
        return next((tag(key) for key in KEYS if key in value), _OBJECT)
    return _LIST if isinstance(value, list | tuple) else _VALUE


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        raise PydanticCustomError(
            "not_finite", "must be a finite number, got {value}", {"value": format_value(value)}
        )
    if value is not None and not isinstance(value, bool | int | float | str):
        raise PydanticCustomError(
            "not_plain",
            "must be a number, text, true, false, null, a list or an object, got {value}",
            {"value": format_value(value)},
        )
    return value


def _named(value: Any) -> Any:
    """A parameter's name is its path, so nothing in a name may look like a path."""
    for name in value if isinstance(value, Mapping) else ():
        if name in KEYS:
            raise PydanticCustomError(
                "free_name",
                "{name} cannot stand here; give each field a distribution of its own",
                {"name": name},
            )
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise PydanticCustomError(
                "free_name",
                "a name must be 1 to 100 letters, digits, _ or -, got {name}; rename it",
                {"name": format_value(name), "field": printable(str(name))},
            )
    return value


if TYPE_CHECKING:
    FreeObject: TypeAlias = Mapping[str, Any]
else:
    _Scalar = Annotated[bool | int | float | str | None, BeforeValidator(_plain), Tag(_VALUE)]

    _Range = (
        Annotated[Uniform, Tag(tag(Uniform.key))]
        | Annotated[LogUniform, Tag(tag(LogUniform.key))]
        | Annotated[IntUniform, Tag(tag(IntUniform.key))]
        | Annotated[IntLogUniform, Tag(tag(IntLogUniform.key))]
    )

    PlainValue = TypeAliasType(
        "PlainValue",
        Annotated[
            _Scalar | Annotated[tuple["PlainValue", ...], Tag(_LIST)], Discriminator(_tag_of)
        ],
    )

    FreeObject = TypeAliasType(
        "FreeObject",
        Annotated[
            dict[str, "FreeValue"],
            BeforeValidator(_named),
            Field(json_schema_extra={"properties": {key: {"not": {}} for key in KEYS}}),
        ],
    )

    Option = TypeAliasType(
        "Option",
        Annotated[
            _Scalar
            | Annotated[tuple[PlainValue, ...], Tag(_LIST)]
            | Annotated[FreeObject, Tag(_OBJECT)]
            | _Range,
            Discriminator(_tag_of),
        ],
    )

    class FreeChoice(Choice[Any]):
        """One of several options, each equally likely."""

        choice: Annotated[tuple[Option, ...], Field(min_length=1)]

    FreeValue = TypeAliasType(
        "FreeValue",
        Annotated[
            _Scalar
            | Annotated[tuple["FreeValue", ...], Tag(_LIST)]
            | Annotated[FreeObject, Tag(_OBJECT)]
            | Annotated[FreeChoice, Tag(tag(Choice.key))]
            | _Range,
            Discriminator(_tag_of),
        ],
    )
