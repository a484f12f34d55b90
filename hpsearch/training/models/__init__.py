"""Models, one a file; `spec.task` names the class of each kind."""

from __future__ import annotations

from collections.abc import Callable

from hpsearch.spec import model as specs
from hpsearch.spec.language.family import implementation
from hpsearch.training.models.base import Model


def model_for(spec: specs.Model, features: tuple[int, ...], outputs: int) -> Model:
    """The model of a resolved spec, for rows of shape `features`.

    Raises:
        TrainingFailed: when the model does not fit such rows.
    """
    model: Callable[..., Model] = implementation(type(spec))
    return model(spec, features, outputs)
