"""Gradient descent, plain and with momentum."""

from __future__ import annotations

from typing import Annotated, Literal

from hpsearch.spec.language.searchable import Real
from hpsearch.spec.optimizers.base import OptimizerBase


class Sgd(OptimizerBase):
    """w ← w − lr·g."""

    implementation = "hpsearch.training.optimizers.descent:Sgd"

    kind: Literal["sgd"]


class Momentum(OptimizerBase):
    """v ← momentum·v + g; w ← w − lr·v (Polyak 1964)."""

    momentum_field = "momentum"

    implementation = "hpsearch.training.optimizers.descent:Momentum"

    kind: Literal["momentum"]
    momentum: Annotated[float, Real(ge=0, lt=1)] = 0.9


class Nesterov(OptimizerBase):
    """v ← momentum·v + g; w ← w − lr·(g + momentum·v) (Sutskever et al. 2013)."""

    momentum_field = "momentum"

    implementation = "hpsearch.training.optimizers.descent:Nesterov"

    kind: Literal["nesterov"]
    momentum: Annotated[float, Real(ge=0, lt=1)] = 0.9
