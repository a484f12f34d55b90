"""Adam and its kin."""

from __future__ import annotations

from typing import Annotated, Literal

from hpsearch.spec.language.searchable import OneOf, Real
from hpsearch.spec.optimizers.base import OptimizerBase


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
