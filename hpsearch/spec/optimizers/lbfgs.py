"""A second-order method on all rows at once."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from hpsearch.spec.language.searchable import Integer, OneOf, Real
from hpsearch.spec.optimizers.base import OptimizerBase


class Lbfgs(OptimizerBase):
    """Quasi-Newton steps from the last changes of w and g, full batch (Liu & Nocedal 1989)."""

    implementation = "hpsearch.training.optimizers.lbfgs:Lbfgs"
    full_batch = True

    kind: Literal["lbfgs"]
    lr: Annotated[float, Real(gt=0)] = 1.0
    """Step length; with a line search, the length tried first."""
    iterations: Annotated[int, Integer(ge=1, le=1000)] = 20
    """Steps, at most, in one update; the loss is evaluated 1.25 times as often, at most."""
    history: Annotated[int, Integer(ge=1, le=1000)] = 100
    """Changes remembered; each takes twice the memory of the weights."""
    line_search: OneOf[Literal["none", "strong_wolfe"]] = "none"
    """`strong_wolfe` costs more evaluations and is far more robust."""
    tolerance_grad: Annotated[float, Real(ge=0)] = 1e-7
    """An update ends when no entry of g is larger."""
    tolerance_change: Annotated[float, Real(ge=0)] = 1e-9
    """An update ends when neither loss nor weights change by more."""

    @model_validator(mode="after")
    def _one_rate_for_all(self) -> Self:
        wrong = {
            "decoupled": self.decoupled is not False,
            "layer_decay": self.layer_decay != 1,
            "param_groups": any(group.lr_scale != 1 for group in self.param_groups),
        }
        rule = {"decoupled": "must be false", "layer_decay": "must be 1"}
        for field, broken in wrong.items():
            if broken:
                raise PydanticCustomError(
                    "lbfgs_rates",
                    "{rule} for lbfgs, whose step is one vector; leave it out",
                    {"field": field, "rule": rule.get(field, "lr_scale must be 1")},
                )
        return self
