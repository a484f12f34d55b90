"""Steps scaled by what the gradients were so far."""

from __future__ import annotations

from typing import Annotated, Literal

from hpsearch.spec.language.searchable import OneOf, Real
from hpsearch.spec.optimizers.base import OptimizerBase


class Adagrad(OptimizerBase):
    """s ← s + g²; w ← w − lr·g / (√s + eps) (Duchi et al. 2011)."""

    implementation = "hpsearch.training.optimizers.adaptive:Adagrad"

    kind: Literal["adagrad"]
    lr: Annotated[float, Real(gt=0)] = 1e-2
    lr_decay: Annotated[float, Real(ge=0)] = 0.0
    """The rate of update t is lr / (1 + (t - 1) * lr_decay), beside any schedule."""
    initial_accumulator: Annotated[float, Real(ge=0)] = 0.0
    """Where s starts."""
    eps: Annotated[float, Real(gt=0)] = 1e-10


class Adadelta(OptimizerBase):
    """Steps measured by the running mean of earlier steps, so they need no unit (Zeiler 2012)."""

    implementation = "hpsearch.training.optimizers.adaptive:Adadelta"

    kind: Literal["adadelta"]
    lr: Annotated[float, Real(gt=0)] = 1.0
    rho: Annotated[float, Real(ge=0, lt=1)] = 0.9
    eps: Annotated[float, Real(gt=0)] = 1e-6


class RmsProp(OptimizerBase):
    """v ← alpha·v + (1 − alpha)·g²; w ← w − lr·g / (√v + eps) (Hinton 2012)."""

    momentum_field = "momentum"

    implementation = "hpsearch.training.optimizers.adaptive:RmsProp"

    kind: Literal["rmsprop"]
    lr: Annotated[float, Real(gt=0)] = 1e-2
    alpha: Annotated[float, Real(ge=0, lt=1)] = 0.99
    momentum: Annotated[float, Real(ge=0, lt=1)] = 0.0
    centered: OneOf[bool] = False
    """True: divides by the standard deviation of the gradient (Graves 2013)."""
    eps: Annotated[float, Real(gt=0)] = 1e-8
