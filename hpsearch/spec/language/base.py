"""The two bases of every type that travels.

SpecModel   what a person writes: unknown fields are refused, with the nearest known name.
Record      what the server answers: unknown fields are ignored, so an older client can read it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from hpsearch.spec.language.messages import explain, format_spec, format_value, printable


def tag(name: str) -> str:
    """A union tag; the brackets let `messages.explain` drop it from an error's path."""
    return f"<{name}>"


def as_json(record: BaseModel) -> dict[str, Any]:
    """A record as JSON holds it: NaN and ±inf by name, which `model_dump` leaves as they are."""
    document: dict[str, Any] = json.loads(record.model_dump_json())
    return document


class SpecModel(BaseModel):
    """A part of a study spec: frozen, and nothing unknown passes."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, ser_json_inf_nan="strings", use_attribute_docstrings=True
    )

    @classmethod
    def checked(cls, **fields: Any) -> Self:
        """An object of fields that a person gave as arguments.

        Raises:
            InvalidInput: naming every field that breaks a rule.
        """
        try:
            return cls(**fields)
        except ValidationError as error:
            raise explain(error) from None

    example: ClassVar[Mapping[str, Any]] = {}
    """Fields that make a valid object, beside those with a default and `kind`; generated pages and
    tests use them."""

    @model_validator(mode="before")
    @classmethod
    def _known_fields_only(cls, data: Any) -> Any:
        if isinstance(data, BaseModel):
            return data
        known = wire_names(cls).values()
        if not isinstance(data, Mapping):
            raise PydanticCustomError(
                "no_object",
                "must be an object with fields ({known}), got {value}{example}",
                {
                    "known": ", ".join(known),
                    "value": format_value(data),
                    "example": f"; for example {format_spec(cls.example)}" if cls.example else "",
                },
            )
        for name in data:
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
