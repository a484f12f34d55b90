"""The table of models: a spec's class → its model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hpsearch.spec import task as specs
from hpsearch.training.models.base import Model
from hpsearch.training.models.cnn import Cnn
from hpsearch.training.models.linear import Linear
from hpsearch.training.models.mlp import Mlp
from hpsearch.training.models.resnet import Resnet

MODELS: Mapping[type[Any], Callable[..., Model]] = {
    specs.Linear: Linear,
    specs.Mlp: Mlp,
    specs.Cnn: Cnn,
    specs.Resnet: Resnet,
}


def model_for(spec: specs.Model, features: tuple[int, ...], outputs: int) -> Model:
    """The model of a resolved spec, for rows of shape `features`.

    Raises:
        TrainingFailed: when the model does not fit such rows.
    """
    return MODELS[type(spec)](spec, features, outputs)
