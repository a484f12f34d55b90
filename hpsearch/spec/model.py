"""Models and the initialisations of their weights: one class per kind."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self, TypeAlias

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from hpsearch.spec.language.distributions import Choice, Interval
from hpsearch.spec.language.family import Family, Kind
from hpsearch.spec.language.searchable import Integer, OneOf, Real

Activation: TypeAlias = Literal[
    "relu", "leaky_relu", "elu", "gelu", "silu", "tanh", "sigmoid", "identity"
]


class InitBase(Kind):
    """What every initialisation is."""


class NormalInit(InitBase):
    """N(0, std²)."""

    implementation = "hpsearch.training.models.initializers:normal"

    kind: Literal["normal"]
    std: Annotated[float, Real(gt=0)] = 0.01


class KaimingNormal(InitBase):
    """N(0, gain² / fan_in) (He et al. 2015)."""

    implementation = "hpsearch.training.models.initializers:kaiming_normal"

    kind: Literal["kaiming_normal"]


class XavierUniform(InitBase):
    """U(−a, a) with a = gain·√(6 / (fan_in + fan_out)) (Glorot & Bengio 2010)."""

    implementation = "hpsearch.training.models.initializers:xavier_uniform"

    kind: Literal["xavier_uniform"]


class XavierNormal(InitBase):
    """N(0, gain²·2 / (fan_in + fan_out)) (Glorot & Bengio 2010)."""

    implementation = "hpsearch.training.models.initializers:xavier_normal"

    kind: Literal["xavier_normal"]


class KaimingUniform(InitBase):
    """U(−a, a) with a = gain·√(3 / fan_in) (He et al. 2015)."""

    implementation = "hpsearch.training.models.initializers:kaiming_uniform"

    kind: Literal["kaiming_uniform"]


class Orthogonal(InitBase):
    """A random matrix with orthonormal rows, or columns, times gain (Saxe et al. 2014)."""

    implementation = "hpsearch.training.models.initializers:orthogonal"

    kind: Literal["orthogonal"]


class Zeros(InitBase):
    """All weights 0: every unit of a layer stays like every other, which shows why not."""

    implementation = "hpsearch.training.models.initializers:zeros"

    kind: Literal["zeros"]


INITS: Family[InitBase] = Family(
    NormalInit,
    KaimingNormal,
    KaimingUniform,
    XavierNormal,
    XavierUniform,
    Orthogonal,
    Zeros,
)
"""Where a new initialisation is entered."""

Init: TypeAlias = Annotated[InitBase, INITS]


class ModelBase(Kind):
    """What every model is."""

    needs_images: ClassVar[bool] = False
    """Whether rows must have the shape [channels, height, width]."""


class Linear(ModelBase):
    """One layer from inputs to outputs."""

    implementation = "hpsearch.training.models.linear:Linear"

    kind: Literal["linear"]
    init: OneOf[Init] = KaimingNormal(kind="kaiming_normal")


class Mlp(ModelBase):
    """Fully connected layers: `hidden` sizes, or `layers` of `units` each."""

    implementation = "hpsearch.training.models.mlp:Mlp"
    example = {"layers": 1, "units": 8}

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


class Cnn(ModelBase):
    """Convolution, activation and pooling, `layers` times, then a linear read-out."""

    implementation = "hpsearch.training.models.cnn:Cnn"
    needs_images = True

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


class Resnet(ModelBase):
    """Residual network for small images: three stages of n blocks, depth = 6n + 2.

    He et al. 2016, section 4.2: a first convolution, blocks of two with batch norm, widths w, 2w
    and 4w, the side halved between stages, shortcuts without weights, the mean over the map.
    """

    implementation = "hpsearch.training.models.resnet:Resnet"
    example = {"depth": 14}
    needs_images = True

    kind: Literal["resnet"]
    depth: Annotated[int, Integer(ge=8)] = 8
    """Layers: 8, 14, 20, 26, ..."""
    width: Annotated[int, Integer(ge=1)] = 16
    """Filters of the first stage."""
    init: OneOf[Init] = KaimingNormal(kind="kaiming_normal")

    @model_validator(mode="after")
    def _whole_blocks(self) -> Self:
        if any((value - 2) % 6 for value in _first_values(self.depth)):
            raise PydanticCustomError(
                "resnet_depth",
                "must be 6n + 2, got {depth}; use 8, 14, 20, ... or a range of these with step 6",
                {"field": "depth", "depth": str(self.depth)},
            )
        return self


def _first_values(field: object) -> tuple[int, ...]:
    """A whole number, a choice's options, or the first two values of a range."""
    if isinstance(field, Choice):
        return field.choice
    if isinstance(field, Interval):
        values = (round(field.low), round(field.low + (field.spacing or 1)))
        return tuple(value for value in values if value <= field.high)
    return (field,) if isinstance(field, int) else ()


MODELS: Family[ModelBase] = Family(Linear, Mlp, Cnn, Resnet, default="mlp")
"""Where a new model is entered."""

Model: TypeAlias = Annotated[ModelBase, MODELS]
