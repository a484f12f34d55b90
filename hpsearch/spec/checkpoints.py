"""Which checkpoints of a trial are retained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from hpsearch.spec.language.base import SpecModel

Reason = Literal["every", "snapshot", "recent"]
"""Why a checkpoint is kept beside the best and the last one."""

Count = Annotated[int, Field(ge=1, le=2**31 - 1, strict=True)]


class Checkpoints(SpecModel):
    """Which checkpoints are kept once a trial is over; one that runs keeps its last one as well.

    What a running trial, an ensemble or a pin needs is kept in any case. A policy may be written
    as a field or as an item of `keep`: `keep: [best, {every: 5}]`.
    """

    keep: tuple[Literal["best", "last"], ...] = ("best", "last")
    every: Count | None = None
    """Also each n-th epoch."""
    snapshots: bool = False
    """Also the epochs at whose end the schedule is at a minimum, the last one included."""
    recent: Annotated[int, Field(ge=1, le=1000, strict=True)] | None = None
    """Also the last n epochs, which weight averages are made of."""
    top: Count | None = None
    """Of the study's trials that are over only the k best keep theirs; those of a study that builds
    ensembles not before these are built."""
    ensemble_value: Count | None = None
    """Beside the best trial's only those are kept in the end that the study's ensembles are made
    of; where it asks for none, a greedy one of size k is built. Until then all are kept."""

    @property
    def is_plain(self) -> bool:
        """Whether all trials retain their best and last checkpoint, whatever their value."""
        chooses = self.top is not None or self.ensemble_value is not None
        return set(self.keep) == {"best", "last"} and not chooses

    @model_validator(mode="before")
    @classmethod
    def _items_to_fields(cls, data: Any) -> Any:
        if data == "snapshots":
            return {"snapshots": True}
        if not isinstance(data, Mapping) or not isinstance(data.get("keep"), list | tuple):
            return data
        plain: list[Any] = []
        fields: dict[str, Any] = {}
        for item in data["keep"]:
            if item == "snapshots":
                fields["snapshots"] = True
            elif isinstance(item, Mapping) and len(item) == 1 and set(item) <= _POLICIES:
                fields |= item
            else:
                plain.append(item)
        if not fields:
            return data
        return {**fields, **data, "keep": plain}

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Beside the fields: a policy as an item of `keep`, and `snapshots` alone."""
        object_schema = handler(schema)
        fields = object_schema["properties"]
        policies = [
            {
                "type": "object",
                "properties": {name: fields[name]},
                "required": [name],
                "additionalProperties": False,
            }
            for name in sorted(_POLICIES)
        ]
        keep = fields["keep"]
        keep["items"] = {"anyOf": [keep["items"], {"const": "snapshots"}, *policies]}
        return {"anyOf": [object_schema, {"const": "snapshots"}]}


_POLICIES = {"every", "recent", "top", "ensemble_value"}
