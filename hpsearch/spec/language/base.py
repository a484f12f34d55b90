"""The two kinds of wire types, and how a family of kinds is written.

SpecModel   what a person writes: unknown fields are refused, with the nearest known name.
Record      what the server answers: unknown fields are ignored, so an older client can read it.
Family      marks a union of SpecModels told apart by `kind`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Tag,
    create_model,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from hpsearch.spec.language.messages import printable, shown


def tag(name: str) -> str:
    """A union tag; the brackets let `messages.explain` drop it from an error's path."""
    return f"<{name}>"


def as_json(record: BaseModel) -> dict[str, Any]:
    """A record as JSON holds it: non-finite numbers by name, where `model_dump` leaves them as they
    are.
    """  # noqa: D205
    document: dict[str, Any] = json.loads(record.model_dump_json())
    return document


def not_available(field: str, name: str, remedy: str = "leave it out") -> PydanticCustomError:
    """The refusal of what the contract names and this version does not build."""
    return PydanticCustomError(
        "not_available",
        "{name} is not available in this version; {remedy}",
        {"field": field, "name": name, "remedy": remedy},
    )


class SpecModel(BaseModel):
    """A part of a study spec: frozen, and nothing unknown passes."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, ser_json_inf_nan="strings", use_attribute_docstrings=True
    )

    planned: ClassVar[tuple[str, ...]] = ()
    """Fields that the contract names and this version refuses."""

    @model_validator(mode="before")
    @classmethod
    def _known_fields_only(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        known = wire_names(cls).values()
        for name in data:
            if name in cls.planned:
                raise not_available(name, f"`{name}`")
            if name not in known:
                field = printable(str(name))
                near = get_close_matches(field, known, n=1)
                remedy = f"did you mean `{near[0]}`?" if near else "known here: " + ", ".join(known)
                raise PydanticCustomError(
                    "unknown_field",
                    "no such field; {remedy}",
                    {"field": field, "remedy": remedy},
                )
        return data


def wire_names(model: type[BaseModel]) -> dict[str, str]:
    """A model's fields with what they are called on the wire (`continue_` is `continue`)."""
    return {name: field.alias or name for name, field in model.model_fields.items()}


class Record(BaseModel):
    """What travels between server, worker and client: frozen; NaN and ±inf travel as strings."""

    model_config = ConfigDict(
        extra="ignore", frozen=True, ser_json_inf_nan="strings", use_attribute_docstrings=True
    )


class Family:
    """Annotates a union of SpecModels: `kind` chooses the member, a bare string is its kind.

    Args:
        default: the kind when `kind` is left out; none makes it required.
        planned: kinds that the contract names and this version refuses.
    """

    def __init__(self, *, default: str | None = None, planned: tuple[str, ...] = ()) -> None:
        self.default = default
        self.planned = planned
        self.members: Mapping[str, type[BaseModel]] = {}

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        members = {kind_of(member): member for member in get_args(source) or (source,)}
        self.members = members

        def choose(value: Any) -> Any:
            if isinstance(value, str):
                value = {"kind": value}
            if not isinstance(value, Mapping):
                return value
            kind = value.get("kind", self.default)
            if kind is None:
                raise PydanticCustomError(
                    "missing_kind",
                    "is required; use one of {kinds}",
                    {"field": "kind", "kinds": ", ".join(members)},
                )
            if kind in self.planned:
                raise not_available("kind", f"'{kind}'", f"use one of {', '.join(members)}")
            if not isinstance(kind, str) or kind not in members:
                raise PydanticCustomError(
                    "unknown_kind",
                    "must be one of {kinds}; got {kind}",
                    {"field": "kind", "kinds": ", ".join(members), "kind": shown(kind)},
                )
            return {**value, "kind": kind}

        def tag_of(value: Any) -> str | None:
            kind = value.get("kind") if isinstance(value, Mapping) else getattr(value, "kind", None)
            return tag(str(kind)) if kind is not None else None

        tagged = tuple(Annotated[member, Tag(tag(kind))] for kind, member in members.items())
        union: Any = tagged[0]
        for member in tagged[1:]:
            union = union | member
        if len(tagged) == 1:
            return core_schema.no_info_before_validator_function(choose, handler(source))
        schema = handler.generate_schema(Annotated[union, Discriminator(tag_of)])
        return core_schema.no_info_before_validator_function(choose, schema)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Beside the members: the default one without its kind, and a kind as a bare string."""
        union = handler(schema)
        options = list(union.get("oneOf", [union]))
        if self.default is not None:
            options.append(handler(self._without_kind.__pydantic_core_schema__))
        alone = [kind for kind, member in self.members.items() if _required(member) == {"kind"}]
        return {"anyOf": [*options, *([{"enum": alone}] if alone else [])]}

    @cached_property
    def _without_kind(self) -> type[BaseModel]:
        kind = self.default
        member = self.members[str(kind)]
        fields: Any = {"kind": (Literal[kind], kind)}
        return create_model(f"{member.__name__}ByDefault", __base__=member, **fields)


def _required(member: type[BaseModel]) -> set[str]:
    return {name for name, field in member.model_fields.items() if field.is_required()}


def kind_of(member: type[BaseModel]) -> str:
    """The `kind` that a family member stands for."""
    (kind,) = get_args(member.model_fields["kind"].annotation)
    return str(kind)
