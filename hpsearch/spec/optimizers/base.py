"""What every optimizer has."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from hpsearch.spec.language.base import SpecModel
from hpsearch.spec.language.family import Kind
from hpsearch.spec.language.searchable import OneOf, Real
from hpsearch.spec.schedule import Schedule


class ParamGroup(SpecModel):
    """Factors for the tensors whose name a glob matches; those of several matches multiply."""

    example = {"match": "output.*", "lr_scale": 0.5}

    match: Annotated[str, Field(min_length=1, max_length=200)]
    """Glob on names such as `layers.0.weight`; `*` also matches dots."""
    lr_scale: Annotated[float, Real(ge=0)] = 1.0
    """0 freezes the tensors."""
    weight_decay_scale: Annotated[float, Real(ge=0)] = 1.0


class OptimizerBase(Kind):
    """What every optimizer has."""

    example = {"lr": 0.1}

    momentum_field: ClassVar[str | None] = None
    """The field that `momentum_schedule` multiplies."""

    full_batch: ClassVar[bool] = False
    """Whether an update evaluates loss and gradients several times, on all rows at once."""

    lr: Annotated[float, Real(gt=0)]
    """Reference (peak) learning rate; the schedule multiplies it."""
    weight_decay: Annotated[float, Real(ge=0)] = 0.0
    """L2 coefficient."""
    decoupled: OneOf[bool] = False
    """True: weights shrink by lr * weight_decay * w; false: weight_decay * w is added to g."""
    no_decay: OneOf[tuple[Literal["bias", "norm"], ...]] = ()
    """Tensors without weight decay: biases, scales and shifts of normalisation layers."""
    param_groups: tuple[ParamGroup, ...] = ()
    """Factors by tensor name."""
    layer_decay: Annotated[float, Real(gt=0)] = 1.0
    """Factor of the learning rate from a layer to the one before it; the last layer has 1."""
    momentum_schedule: OneOf[Schedule] | None = None
    """A multiplier of `momentum`, or of `beta1` in the Adam family and lion."""

    @model_validator(mode="after")
    def _has_momentum_to_schedule(self) -> Self:
        if self.momentum_schedule is not None and self.momentum_field is None:
            raise PydanticCustomError(
                "momentum_schedule",
                "needs an optimizer with momentum, got {kind}; leave it out or use momentum",
                {"field": "momentum_schedule", "kind": self.kind},
            )
        return self
