"""A schedule that follows a metric."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from hpsearch.spec.language.distributions import values_of
from hpsearch.spec.language.messages import format_value
from hpsearch.spec.language.searchable import Integer, OneOf, Real
from hpsearch.spec.metrics import direction_of, endings
from hpsearch.spec.schedules.base import ScheduleBase


def _metric(name: str) -> str:
    if name.startswith("test_"):
        raise PydanticCustomError(
            "plateau_metric",
            "must not be measured on the test split, got {name}; use one that begins with val_",
            {"name": format_value(name)},
        )
    if direction_of(name) is None:
        raise PydanticCustomError(
            "plateau_metric",
            "must end in one of {endings}, which say whether it should fall or rise, got {name}; "
            "use val_loss or val_accuracy",
            {"endings": ", ".join(endings()), "name": format_value(name)},
        )
    return name


class ReduceOnPlateau(ScheduleBase):
    """Times `factor` after more than `patience` epochs in which the metric did not improve.

    To improve is to pass the best value so far by its share `threshold`. After a reduction,
    `cooldown` epochs are not counted. Epochs count from the schedule's beginning; `unit` does not
    matter.
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

    @property
    def followed_metrics(self) -> tuple[str, ...]:
        """Its metric, or the options of a choice among several."""
        return values_of(self.metric)
