"""Steps of the momentum's sign, or of its orthogonal part."""

from __future__ import annotations

from typing import Annotated, Literal

from hpsearch.spec.language.searchable import Integer, OneOf, Real
from hpsearch.spec.optimizers.base import OptimizerBase


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
