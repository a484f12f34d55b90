"""Optimizers: one class per kind, its update rule in the docstring.

w   weights     g   gradient     m, v   running means of g and g²     t   1-based update number

Defaults are torch's, but for `momentum`, which torch leaves at 0, and for `lr`, which the kinds
sgd, momentum and nesterov have to be given and nadam and adamax share with adam. Weight decay
comes in two forms: coupled (L2: weight_decay·w is added to g) and decoupled (w shrinks by
lr·weight_decay·w beside the update).
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self, TypeAlias

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from hpsearch.spec.language.base import SpecModel
from hpsearch.spec.language.family import Family, Kind
from hpsearch.spec.language.searchable import Integer, OneOf, Real
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


class AdamBase(OptimizerBase):
    """Running means of the gradient (beta1) and of its square (beta2)."""

    momentum_field = "beta1"

    lr: Annotated[float, Real(gt=0)] = 1e-3
    beta1: Annotated[float, Real(ge=0, lt=1)] = 0.9
    beta2: Annotated[float, Real(ge=0, lt=1)] = 0.999
    eps: Annotated[float, Real(gt=0)] = 1e-8


class Adam(AdamBase):
    """w ← w − lr·m̂ / (√v̂ + eps), bias-corrected (Kingma & Ba 2015)."""

    implementation = "hpsearch.training.optimizers.adam:Adam"

    kind: Literal["adam"]


class AmsGrad(AdamBase):
    """Adam that divides by the largest √v so far (Reddi et al. 2018)."""

    implementation = "hpsearch.training.optimizers.adam:AmsGrad"

    kind: Literal["amsgrad"]


class AdamW(AdamBase):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019)."""

    implementation = "hpsearch.training.optimizers.adam:Adam"

    kind: Literal["adamw"]
    weight_decay: Annotated[float, Real(ge=0)] = 0.01
    decoupled: OneOf[bool] = True


class NAdam(AdamBase):
    """Adam with Nesterov momentum (Dozat 2016)."""

    implementation = "hpsearch.training.optimizers.adam:NAdam"

    kind: Literal["nadam"]
    momentum_decay: Annotated[float, Real(ge=0)] = 4e-3
    """The momentum of update t is beta1 * (1 - 0.96^(t * momentum_decay) / 2)."""


class RAdam(AdamBase):
    """Adam that takes plain momentum steps until v̂ can be trusted (Liu et al. 2020)."""

    implementation = "hpsearch.training.optimizers.adam:RAdam"

    kind: Literal["radam"]


class Adamax(AdamBase):
    """Adam with the largest discounted |g| in place of √v (Kingma & Ba 2015, section 7)."""

    implementation = "hpsearch.training.optimizers.adam:Adamax"

    kind: Literal["adamax"]


class Lion(OptimizerBase):
    """w ← w − lr·sign(beta1·m + (1 − beta1)·g); m ← beta2·m + (1 − beta2)·g (Chen et al. 2023).

    Its steps have size lr in every direction; the paper takes a rate 3 to 10 times below Adam's.
    """

    momentum_field = "beta1"

    implementation = "hpsearch.training.optimizers.lion:Lion"

    kind: Literal["lion"]
    lr: Annotated[float, Real(gt=0)] = 1e-4
    decoupled: OneOf[bool] = True
    beta1: Annotated[float, Real(ge=0, lt=1)] = 0.9
    beta2: Annotated[float, Real(ge=0, lt=1)] = 0.99


class Muon(OptimizerBase):
    """Momentum made orthogonal, for tensors with two axes; AdamW for all others (Jordan 2024).

    AdamW has the same lr and weight_decay; `param_groups` (say, `*.bias`) set them apart.
    """

    momentum_field = "momentum"

    implementation = "hpsearch.training.optimizers.muon:Muon"

    kind: Literal["muon"]
    lr: Annotated[float, Real(gt=0)] = 1e-3
    weight_decay: Annotated[float, Real(ge=0)] = 0.1
    decoupled: OneOf[bool] = True
    momentum: Annotated[float, Real(ge=0, lt=1)] = 0.95
    nesterov: OneOf[bool] = True
    adjust_lr: OneOf[Literal["original", "match_rms_adamw"]] = "original"
    """Factor of lr for a matrix: √max(1, outputs / inputs), or 0.2·√max(outputs, inputs)."""
    newton_schulz_steps: Annotated[int, Integer(ge=1, lt=100)] = 5
    beta1: Annotated[float, Real(ge=0, lt=1)] = 0.9
    """AdamW's, as are beta2 and eps."""
    beta2: Annotated[float, Real(ge=0, lt=1)] = 0.999
    eps: Annotated[float, Real(gt=0)] = 1e-8


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


OPTIMIZERS = Family(
    Sgd,
    Momentum,
    Nesterov,
    Adagrad,
    Adadelta,
    RmsProp,
    Adam,
    AmsGrad,
    AdamW,
    NAdam,
    RAdam,
    Adamax,
    Lion,
    Muon,
    Lbfgs,
    default="adam",
)
"""Where a new optimizer is entered."""

Optimizer: TypeAlias = Annotated[OptimizerBase, OPTIMIZERS]
