"""Whether a stored run's tensors make the model that its spec names."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from hpsearch.training.checkpoints.checkpoint import Checkpoint
from hpsearch.training.data.encoding import Encoding
from hpsearch.training.models import model_for
from hpsearch.training.models.base import Shapes

MOST_COLUMNS = 2**20
"""Of a table: a row is in memory with all of them."""


def incompatibility(run: Checkpoint, features: tuple[int, ...]) -> str | None:
    """What is wrong with a run's tensors, in words; none where they make its model.

    Args:
        run: as it was read.
        features: shape of a row as the model takes it.

    Raises:
        TypeError, ValueError: when its spec names no single model, or one for other rows.
    """
    model = model_for(run.spec.supervised.model, features, len(run.classes) or 1)
    for tensors, shapes in ((run.weights, model.shapes), (run.buffers, model.buffers)):
        if error := _tensor_error(tensors, shapes):
            return error
    return _standardization_error(run, features)


def _tensor_error(tensors: Mapping[str, Tensor], shapes: Shapes) -> str | None:
    actual = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    for name in sorted({*actual, *shapes}):
        if actual.get(name) != shapes.get(name):
            return (
                f"its numbers do not have the shapes of its model: {name} is "
                f"{_shape_text(actual.get(name))}, and must be {_shape_text(shapes.get(name))}"
            )
    for name, tensor in tensors.items():
        if not tensor.dtype.is_floating_point:
            return f"its numbers must be floating-point ones, and {name} holds {tensor.dtype}"
    return None


def _standardization_error(run: Checkpoint, features: tuple[int, ...]) -> str | None:
    """What is wrong with how rows are encoded and standardised for the model."""
    fitted, by_column = run.standardization, (features[0], *(1,) * (len(features) - 1))
    if fitted is None or not fitted.shift.shape == fitted.scale.shape == by_column:
        return "its numbers do not have the shapes of its model: its standardisation is of others"
    scales = [*fitted.scale.flat, fitted.target_scale]
    shifts = [*fitted.shift.flat, fitted.target_shift]
    if not (np.isfinite([*scales, *shifts]).all() and np.all(scales)):
        return "its standardisation must have finite numbers, and scales other than 0"
    if fitted.encoding is not None and not _is_sound(fitted.encoding, features[0]):
        return "its columns do not make the rows that its model takes"
    return None


def _is_sound(encoding: Encoding, width: int) -> bool:
    positions = [column.index for column in encoding.columns]
    return (
        sum(column.width for column in encoding.columns) == width
        and len(set(positions)) == len(positions)
        and all(0 <= position < MOST_COLUMNS for position in positions)
    )


def _shape_text(shape: tuple[int, ...] | None) -> str:
    return "missing" if shape is None else str(list(shape))
