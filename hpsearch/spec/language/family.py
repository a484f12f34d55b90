"""A family of kinds: several classes that may stand in one place, told apart by `kind`.

Kind      a member: the fields that a person writes, and where the code is that does it
Family    the family's one table; its type, its documents and its forms are made from it

    PRUNERS = Family(NoPruner, MedianPruner, AshaPruner, default="none")
    Pruner: TypeAlias = Annotated[PrunerBase, PRUNERS]

A new member is a class and a line in that table.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, cached_property
from importlib import import_module
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar, get_args

from pydantic import (
    BaseModel,
    Discriminator,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Tag,
    create_model,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from hpsearch.spec.language.base import SpecModel, tag, wire_names
from hpsearch.spec.language.messages import did_you_mean, format_value


class Kind(SpecModel):
    """A member of a family."""

    kind: str

    implementation: ClassVar[str] = ""
    """`module:name` of the code that does what this kind names. It is imported at its first use, so
    that reading a spec needs neither torch nor NumPy. Empty where there is nothing to do."""


K = TypeVar("K", bound=Kind)


def implementation(member: type[Kind]) -> Any:
    """What `member.implementation` names, imported.

    Raises:
        ImportError: when its module cannot be imported.
        AttributeError: when the module has no such name.
    """
    return load_object(member.implementation)


@cache
def load_object(path: str) -> Any:
    """What a path `module:name` names, imported.

    Raises:
        ImportError: when its module cannot be imported.
        AttributeError: when the module has no such name.
    """
    module, _, name = path.partition(":")
    return getattr(import_module(module), name)


def kind_of(member: type[BaseModel]) -> str:
    """The `kind` that a member stands for."""
    (kind,) = get_args(member.model_fields["kind"].annotation)
    return str(kind)


class Family(Generic[K]):
    """The table of a family; as an annotation it makes a type of it.

    A value is read as the member that its `kind` names; a bare string is a kind alone.

    Args:
        members: its classes, in the order in which documents list them.
        default: the kind when `kind` is left out; none makes it required.
    """

    def __init__(self, *members: type[K], default: str | None = None) -> None:
        self.default = default
        self.members: Mapping[str, type[K]] = {kind_of(member): member for member in members}

    def with_field(self, name: str) -> list[str]:
        """The kinds whose members have a field of that name."""
        return [kind for kind, member in self.members.items() if name in member.model_fields]

    def without(self, *kinds: str) -> Family[K]:
        """The family but for some kinds."""
        left = (member for kind, member in self.members.items() if kind not in kinds)
        return Family(*left, default=self.default)

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """A tagged union of the members; `source`, their base class, is not looked at."""
        members = self.members

        def choose(value: Any) -> Any:
            text, is_text = value, isinstance(value, str)
            if is_text:
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
            if not isinstance(kind, str) or kind not in members:
                raise PydanticCustomError(
                    "unknown_kind",
                    "must be one of {kinds}; got {kind}{near}",
                    {
                        "field": "kind",
                        "kinds": ", ".join(members),
                        "kind": format_value(kind),
                        "near": did_you_mean(kind, members)
                        or (self._object_meant(text) if is_text else ""),
                    },
                )
            for name in value:
                self._refuse_field_of_others(kind, name)
            return {**value, "kind": kind}

        def tag_of(value: Any) -> str | None:
            kind = value.get("kind") if isinstance(value, Mapping) else getattr(value, "kind", None)
            return tag(str(kind)) if kind is not None else None

        tagged = tuple(Annotated[member, Tag(tag(kind))] for kind, member in members.items())
        union: Any = tagged[0]
        for member in tagged[1:]:
            union = union | member
        if len(tagged) == 1:
            (only,) = members.values()
            schema = handler.generate_schema(only)
        else:
            schema = handler.generate_schema(Annotated[union, Discriminator(tag_of)])
        return core_schema.no_info_before_validator_function(choose, schema)

    def _refuse_field_of_others(self, kind: str, name: Any) -> None:
        """Says which kinds have a field that this one has not."""
        if name in wire_names(self.members[kind]).values():
            return
        owners = [
            other for other, member in self.members.items() if name in wire_names(member).values()
        ]
        if owners:
            raise PydanticCustomError(
                "field_of_others",
                "no such field of {kind}; {owners} {have} it",
                {
                    "field": str(name),
                    "kind": kind,
                    "owners": ", ".join(owners),
                    "have": "has" if len(owners) == 1 else "have",
                },
            )

    def _object_meant(self, text: str) -> str:
        """What a bare string may stand for: the only field that the default kind demands."""
        if self.default is None:
            return ""
        demanded = _required(self.members[self.default]) - {"kind"}
        return f"; write {{{demanded.pop()}: {text}}}" if len(demanded) == 1 else ""

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
        kind = str(self.default)
        member = self.members[kind]
        fields: Any = {"kind": (Literal[kind], kind)}
        return create_model(f"{member.__name__}ByDefault", __base__=member, **fields)


def _required(member: type[BaseModel]) -> set[str]:
    return {name for name, field in member.model_fields.items() if field.is_required()}
