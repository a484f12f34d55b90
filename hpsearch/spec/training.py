"""The loop: how long, in what steps, and what keeps weights in bounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from hpsearch.spec.augment import Augmentation
from hpsearch.spec.language.base import SpecModel
from hpsearch.spec.language.messages import format_value
from hpsearch.spec.language.searchable import Integer, OneOf, Real


class Clip(SpecModel):
    """Bounds a step's gradient: its Euclidean norm, or each entry."""

    example = {"norm": 1.0}

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

    example = {"patience": 2}

    patience: Annotated[int, Integer(ge=1)]
    """Epochs in a row without improvement."""
    min_delta: Annotated[float, Real(ge=0)] = 0.0
    """What counts as one: more than this."""
    restore_best: OneOf[bool] = True
    """Whether a trial ends with the weights of its best epoch."""


MOST_REPEATS = 100


def _one_for_all(value: Any) -> Any:
    if isinstance(value, Mapping):
        raise PydanticCustomError(
            "one_for_all",
            "must be a whole number, as all trials are measured alike, got {value}; give one",
            {"value": format_value(value)},
        )
    return value


def _off_or_several(folds: int) -> int:
    if folds == 1:
        raise PydanticCustomError(
            "folds", "must be 0 (off) or from 2 to 20, got 1; leave it out for one fixed split"
        )
    return folds


class Training(SpecModel):
    """The loop."""

    epochs: Annotated[int, Integer(ge=1)] = 10
    """Passes over the training rows."""
    batch_size: Annotated[int, Integer(ge=1)] = 32
    """Rows in a batch; the last of an epoch may be smaller. lbfgs takes all rows at once."""
    train_fraction: Annotated[float, Real(gt=0, le=1)] = 1.0
    """Share of the training rows that is used, stratified for classes; smaller shares are parts
    of larger ones."""
    accumulate: Annotated[int, Integer(ge=1)] = 1
    """Batches whose gradients make one step."""
    precision: OneOf[Literal["fp32", "bf16"]] = "fp32"
    """What products are computed in while training: bf16 rounds their factors to 8 bits and is fast
    on devices made for it. Weights, updates and all measuring stay in fp32."""
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
    folds: Annotated[
        int,
        Field(ge=0, le=20, strict=True, json_schema_extra={"not": {"const": 1}}),
        AfterValidator(_off_or_several),
        BeforeValidator(_one_for_all),
    ] = 0
    """Models of a trial in k-fold cross-validation: model i validates on part i of all rows but the
    test rows, and trains on the rest of them. 0: one fixed validation part."""
    repeats: Annotated[
        int, Field(ge=1, le=MOST_REPEATS, strict=True), BeforeValidator(_one_for_all)
    ] = 1
    """Runs of a trial from different initial weights, with dropout (under `data_order: per_trial`
    batches too) of their own; with folds, so many of each. A trial's curves are the means over all
    its runs, `seconds` their sum; `<metric>_std` of validation metrics and of the objective is the
    sample standard deviation (n − 1)."""
