"""Ensembles: which checkpoints are combined, and how; chosen on validation rows alone.

A new kind is a class in `hpsearch/spec/ensembles`, a line in `ENSEMBLES`, and the code that its
`implementation` names: a function `(request, context) -> Selection` in a file of
`hpsearch.ensemble_builder.kinds`.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator, Discriminator, Field, GetJsonSchemaHandler, Tag
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from hpsearch.spec.ensembles.averages import AverageEnsemble, EmaEnsemble, SwaEnsemble
from hpsearch.spec.ensembles.base import EnsembleBase
from hpsearch.spec.ensembles.members import (
    GreedyEnsemble,
    ReinitEnsemble,
    SnapshotsEnsemble,
    TopKEnsemble,
)
from hpsearch.spec.ensembles.soups import GreedySoup, UniformSoup
from hpsearch.spec.language.base import tag
from hpsearch.spec.language.family import Family

ENSEMBLES: Family[EnsembleBase] = Family(
    GreedyEnsemble,
    TopKEnsemble,
    ReinitEnsemble,
    SnapshotsEnsemble,
    AverageEnsemble,
    EmaEnsemble,
    SwaEnsemble,
    UniformSoup,
    GreedySoup,
    default="greedy",
)
"""The table of ensembles: a new one is a class in hpsearch/spec/ensembles and a line here."""

EnsembleSpec: TypeAlias = Annotated[EnsembleBase, ENSEMBLES]


def _how_many(value: Any) -> str:
    return tag("several") if isinstance(value, list | tuple) else tag("one")


def _none(value: Any) -> Any:
    return None if value == "none" else value


class WrittenNone:
    """Says in the published schema that `none` may be written for null."""

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """What is read without it, or the word."""
        return {"anyOf": [handler(schema), {"const": "none"}]}


Ensembles: TypeAlias = Annotated[
    Annotated[
        Annotated[EnsembleSpec, Tag(tag("one"))]
        | Annotated[tuple[EnsembleSpec, ...], Field(max_length=20), Tag(tag("several"))],
        Discriminator(_how_many),
    ]
    | None,
    BeforeValidator(_none),
    WrittenNone(),
]
"""None, one, or several."""
