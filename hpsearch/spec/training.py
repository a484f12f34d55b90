"""The loop: how long, in what steps, and what keeps weights in bounds."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from hpsearch.spec.augment import Augmentation
from hpsearch.spec.base import SpecModel
from hpsearch.spec.distributions import Integer, OneOf, Real


class Clip(SpecModel):
    """Bounds a step's gradient: its Euclidean norm, or each entry."""

    norm: Annotated[float, Real(gt=0)] | None = None
    value: Annotated[float, Real(gt=0)] | None = None

    @model_validator(mode="after")
    def _one_bound(self) -> Self:
        if (self.norm is None) == (self.value is None):
            raise PydanticCustomError("clip", "needs exactly one of norm and value; give one")
        return self


class Ema(SpecModel):
    """Exponential moving average of weights, measured beside them as `ema_*`.

    shadow ← d·shadow + (1 − d)·w with d = min(decay, (1 + n) / (10 + n)) after the n-th update.
    """

    decay: Annotated[float, Real(ge=0, lt=1)] = 0.99


class Swa(SpecModel):
    """Mean of the weights at epoch ends, measured beside them as `swa_*` (Izmailov et al. 2018)."""

    start: Annotated[float, Real(ge=0, lt=1)] = 0.75
    """Share of the planned epochs before the first one that counts."""
    every: Annotated[int, Integer(ge=1)] = 1
    """Epochs from one that counts to the next."""


class EarlyStopping(SpecModel):
    """Ends a trial whose objective no longer improves."""

    patience: Annotated[int, Integer(ge=1)]
    """Epochs in a row without improvement."""
    min_delta: Annotated[float, Real(ge=0)] = 0.0
    """What counts as one: more than this."""
    restore_best: OneOf[bool] = True
    """Whether a trial ends with the weights of its best epoch."""


class Training(SpecModel):
    """The loop."""

    planned = ("precision", "folds", "repeats")

    epochs: Annotated[int, Integer(ge=1)] = 10
    """Passes over the training rows."""
    batch_size: Annotated[int, Integer(ge=1)] = 32
    """Rows in a batch; the last of an epoch may be smaller. lbfgs takes all rows at once."""
    train_fraction: Annotated[float, Real(gt=0, le=1)] = 1.0
    """Share of the training rows that is used, stratified for classes; smaller shares are parts
    of larger ones."""
    accumulate: Annotated[int, Integer(ge=1)] = 1
    """Batches whose gradients make one step."""
    l1: Annotated[float, Real(ge=0)] = 0.0
    """Coefficient of Σ|w|; with `optimizer.weight_decay` an elastic net."""
    max_norm: Annotated[float, Real(gt=0)] | None = None
    """Bound of the norm of the weights that lead into a unit, held after each step."""
    label_smoothing: Annotated[float, Real(ge=0, lt=1)] = 0.0
    """Share of a target that is spread evenly over the classes, in training only."""
    clip: OneOf[Clip | None] = None
    ema: OneOf[Ema | None] = None
    swa: OneOf[Swa | None] = None
    early_stopping: OneOf[EarlyStopping | None] = None
    augment: tuple[Augmentation, ...] = ()
    """In the order given."""
    init_seed: OneOf[Literal["per_trial", "shared"]] = "per_trial"
    """Shared: every trial of a study starts from the same draw, which averaging trials needs."""
    data_order: OneOf[Literal["shared", "per_trial"]] = "shared"
    """Shared: every trial of a study sees the same batches."""
