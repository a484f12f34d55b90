"""A schedule that follows a metric."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, model_validator
from pydantic_core import PydanticCustomError

from hpsearch.spec.language.distributions import values_of
from hpsearch.spec.language.messages import format_value
from hpsearch.spec.language.searchable import Integer, OneOf, Real
from hpsearch.spec.metrics import METRICS, Direction, direction_of
from hpsearch.spec.schedules.base import ScheduleBase


def _metric(name: str) -> str:
    if name.startswith("test_"):
        raise PydanticCustomError(
            "plateau_metric",
            "must not be measured on the test split, got {name}; use one that begins with val_",
            {"name": format_value(name)},
        )
    return name


class ReduceOnPlateau(ScheduleBase):
    """Times `factor` after more than `patience` epochs in which the metric did not improve.

    To improve is to pass the best value so far by `threshold` of its size, whatever its sign. After
    a reduction, `cooldown` epochs are not counted. Epochs count from the schedule's beginning;
    `unit` does not matter.
    """

    implementation = "hpsearch.training.schedules.plateau:reduce_on_plateau"
    example = {"patience": 0}

    kind: Literal["reduce_on_plateau"]
    metric: OneOf[Annotated[str, AfterValidator(_metric)]] = "val_loss"
    factor: Annotated[float, Real(gt=0, lt=1)] = 0.5
    patience: Annotated[int, Integer(ge=0)] = 3
    threshold: Annotated[float, Real(ge=0, lt=1)] = 1e-4
    cooldown: Annotated[int, Integer(ge=0)] = 0
    min_factor: Annotated[float, Real(ge=0, le=1)] = 0.0
    direction: Direction | None = None
    """Which way the metric is better; needed for a plug-in's own metrics alone."""

    @model_validator(mode="after")
    def _knows_its_direction(self) -> Self:
        for name in self.followed_metrics:
            if self.direction is None and direction_of(name) is None:
                raise PydanticCustomError(
                    "plateau_direction",
                    "must be minimize or maximize, as {name} is none of the metrics whose "
                    "direction is known ({known}); add it",
                    {"field": "direction", "name": name, "known": ", ".join(METRICS)},
                )
        return self

    def is_maximized(self, metric: str) -> bool:
        """Whether larger values of one of its metrics are better."""
        return (self.direction or direction_of(metric)) == "maximize"

    @property
    def followed_metrics(self) -> tuple[str, ...]:
        """Its metric, or the options of a choice among several."""
        return values_of(self.metric)
