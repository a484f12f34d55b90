"""Scores of ensembles on the wire.

A part's scores are numbers by metric. JSON has each twice: by its own name, and once more under
`metrics`, beside nothing else; Python has each once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

from pydantic import (
    BeforeValidator,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    WrapSerializer,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from hpsearch.spec.language.base import Record
from hpsearch.spec.language.fields import Metrics

HEADLINES = ("accuracy", "rmse")
"""The metric that results show first which name none: of classes, of numbers."""

NESTED = "metrics"
"""Where an answer repeats a part's scores."""


def _once(value: Any) -> Any:
    """Scores without their repetition."""
    if not isinstance(value, Mapping) or not isinstance(value.get(NESTED), Mapping):
        return value
    return {**value[NESTED], **{name: score for name, score in value.items() if name != NESTED}}


def _twice(value: Any, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
    """Scores by name with their repetition; empty where there are none."""
    scores: dict[str, Any] = handler(value)
    return {**scores, NESTED: scores} if scores else scores


class WrittenTwice:
    """Says in the published schema that scores stand under `metrics`, too."""

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Numbers by name, and `metrics` with the same."""
        scores = handler(schema)
        if handler.mode == "validation":
            return scores
        number = {"anyOf": [{"type": "number"}, {"type": "string"}]}
        named: JsonSchemaValue = {"type": "object", "additionalProperties": number}
        return {**named, "properties": {NESTED: named}}


PartScores: TypeAlias = Annotated[
    Metrics, BeforeValidator(_once), WrapSerializer(_twice, when_used="json"), WrittenTwice()
]
"""Scores on one part of the data, by metric: `accuracy`, `loss`, `rmse`, ..."""


class Scores(Record):
    """The same metrics on validation and on test rows."""

    validation: PartScores
    test: PartScores = {}


class EnsembleScores(Scores):
    """An ensemble's own scores."""

    headline: str | None = None
    """The metric to show first: the study's objective; none where there are no scores."""


class Range(Record):
    """A 95 % bootstrap confidence interval over rows."""

    low: float
    high: float


def with_headline(data: Any) -> Any:
    """A result's fields with `headline`, also where a release wrote them that had none."""
    if not isinstance(data, Mapping) or data.get("headline") is not None:
        return data
    names = {*(data.get("validation") or ()), *(data.get("test") or ())}
    first = next((name for name in HEADLINES if name in names), None)
    return data if first is None else {**data, "headline": first}
