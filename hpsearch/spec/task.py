"""What is learned: data, split, model and loss."""

from __future__ import annotations

from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from hpsearch.spec.base import Family, SpecModel
from hpsearch.spec.distributions import Integer, OneOf, Real

Activation: TypeAlias = Literal[
    "relu", "leaky_relu", "elu", "gelu", "silu", "tanh", "sigmoid", "identity"
]


class Split(SpecModel):
    """Shares of the rows, drawn with the study's seed and stratified for classes."""

    planned = ("column", "group", "time")

    validation: Annotated[float, Field(gt=0, lt=1, strict=True)] = 0.2
    test: Annotated[float, Field(ge=0, lt=1, strict=True)] = 0.2

    @model_validator(mode="after")
    def _leaves_training_rows(self) -> Self:
        if self.validation + self.test >= 1:
            raise PydanticCustomError(
                "split",
                "validation + test must be < 1, got {total}; leave rows to train on",
                {"total": round(self.validation + self.test, 6)},
            )
        return self


class NormalInit(SpecModel):
    """N(0, std²)."""

    kind: Literal["normal"]
    std: Annotated[float, Real(gt=0)] = 0.01


class KaimingNormal(SpecModel):
    """N(0, gain² / fan_in) (He et al. 2015)."""

    kind: Literal["kaiming_normal"]


class XavierUniform(SpecModel):
    """U(−a, a) with a = gain·√(6 / (fan_in + fan_out)) (Glorot & Bengio 2010)."""

    kind: Literal["xavier_uniform"]


Init: TypeAlias = Annotated[
    NormalInit | KaimingNormal | XavierUniform,
    Family(planned=("xavier_normal", "kaiming_uniform", "orthogonal", "zeros")),
]


class Linear(SpecModel):
    """One layer from inputs to outputs."""

    kind: Literal["linear"]
    init: OneOf[Init] = KaimingNormal(kind="kaiming_normal")


class Mlp(SpecModel):
    """Fully connected layers: `hidden` sizes, or `layers` of `units` each."""

    kind: Literal["mlp"]
    hidden: OneOf[tuple[Annotated[int, Integer(ge=1)], ...]] | None = None
    """Units of each hidden layer; [64, 64] when `layers` is not given either."""
    layers: Annotated[int, Integer(ge=0)] | None = None
    units: Annotated[int, Integer(ge=1)] | None = None
    activation: OneOf[Activation] = "relu"
    norm: OneOf[Literal["none", "batch", "layer"]] = "none"
    dropout: Annotated[float, Real(ge=0, lt=1)] = 0.0
    """Share of hidden units left out in training."""
    init: OneOf[Init] = KaimingNormal(kind="kaiming_normal")

    @model_validator(mode="after")
    def _one_shape(self) -> Self:
        if (self.layers is None) != (self.units is None):
            raise PydanticCustomError("mlp_shape", "`layers` and `units` go together; give both")
        if self.hidden is not None and self.layers is not None:
            raise PydanticCustomError(
                "mlp_shape", "give either `hidden` or `layers` with `units`, not both"
            )
        if self.hidden is None and self.layers is None:
            object.__setattr__(self, "hidden", (64, 64))
        return self

    @property
    def sizes(self) -> tuple[int, ...]:
        """Units of each hidden layer."""
        if self.hidden is not None:
            return self.hidden
        return (self.units or 0,) * (self.layers or 0)


class Cnn(SpecModel):
    """Convolution, activation and pooling, `layers` times, then a linear read-out."""

    kind: Literal["cnn"]
    layers: Annotated[int, Integer(ge=1)] = 2
    filters: OneOf[
        Annotated[int, Field(ge=1, strict=True)]
        | Annotated[tuple[Annotated[int, Field(ge=1, strict=True)], ...], Field(min_length=1)]
    ] = 16
    """Of every layer, or a list with one number for each."""
    kernel: Annotated[int, Integer(ge=1)] = 3
    stride: Annotated[int, Integer(ge=1)] = 1
    padding: OneOf[Literal["same", "valid"]] = "same"
    pool: Annotated[int, Integer(ge=1)] = 2
    units: Annotated[int, Integer(ge=0)] = 0
    """Units of a fully connected layer before the read-out; 0 leaves it out."""
    activation: OneOf[Activation] = "relu"
    norm: OneOf[Literal["none", "batch", "layer"]] = "none"
    dropout: Annotated[float, Real(ge=0, lt=1)] = 0.0
    """Share left out, in training, of what enters a fully connected layer."""
    init: OneOf[Init] = KaimingNormal(kind="kaiming_normal")

    @model_validator(mode="after")
    def _one_filter_count_per_layer(self) -> Self:
        given = self.filters if isinstance(self.filters, tuple) else None
        if given is not None and isinstance(self.layers, int) and len(given) != self.layers:
            raise PydanticCustomError(
                "cnn_shape",
                "`filters` must hold one number for each of {layers} layers, got {filters}; "
                "give as many, or one number for all",
                {"layers": self.layers, "filters": len(given)},
            )
        return self

    @property
    def sizes(self) -> tuple[int, ...]:
        """Filters of each layer."""
        return self.filters if isinstance(self.filters, tuple) else (self.filters,) * self.layers


Model: TypeAlias = Annotated[Linear | Mlp | Cnn, Family(default="mlp", planned=("resnet",))]

Loss: TypeAlias = Literal["cross_entropy", "mse", "hinge", "bce", "l1", "huber", "half_squared"]
"""Those of the contract; `dataset.LOSSES` says which this version builds."""


class SupervisedTask(SpecModel):
    """Learn a target from features."""

    planned = ("class_weights",)

    kind: Literal["supervised"]
    dataset: Annotated[str, Field(min_length=1, max_length=200)]
    split: Split = Split()
    standardize: Literal["zscore", "minmax", "none"] | None = None
    """None: zscore for tables, minmax for images; fitted on the training split."""
    model: OneOf[Model] = Mlp(kind="mlp")
    loss: OneOf[Loss] | None = None
    """None: cross_entropy for classes, mse for numbers."""


Task: TypeAlias = Annotated[
    SupervisedTask, Family(default="supervised", planned=("plugin", "external"))
]
