"""A trained model outside the service: a torch module made from a checkpoint.

It takes rows as the data set has them and standardises them as in training. Parameters are named
as in the checkpoint, so `state_dict()` and `parameters()` are what one expects. A trial of several
runs (folds, repeats) makes one module too, whose predictions are the means of theirs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hpsearch.errors import InvalidInput
from hpsearch.spec.study import StudySpec
from hpsearch.training.checkpoint import Checkpoint
from hpsearch.training.models import model_for


class Predictor(nn.Module):
    """What gives outputs [N, C] of rows, and what these say."""

    classes: tuple[str, ...]
    """Names in the order of the outputs; none for numbers."""
    features: tuple[int, ...]
    """Shape of a row as it is taken."""
    spec: StudySpec
    """Of the trial, resolved."""
    epoch: int
    """The last one trained, 0-based."""

    @torch.no_grad()
    def predict(self, x: Any) -> list[Any]:
        """For each row its class's name, or its number."""
        outputs = self(x)
        if not self.classes:
            return [float(value) for value in outputs[:, 0]]
        return [self.classes[i] for i in outputs.argmax(-1).tolist()]

    @torch.no_grad()
    def predict_probabilities(self, x: Any) -> Tensor:
        """Softmax of the outputs [N, C], for classes."""
        return torch.softmax(self(x), -1)


class TrainedModel(Predictor):
    """One run's model.

    Args:
        checkpoint: its weights, running statistics and standardisation.
        features: shape of one row as the model takes it, [columns] or [channels, height, width].
    """

    def __init__(self, checkpoint: Checkpoint, features: tuple[int, ...]) -> None:
        super().__init__()
        task = checkpoint.spec.task
        model = getattr(task, "model", None)
        if model is None or checkpoint.standardization is None:
            raise InvalidInput.at(
                "task", "must be supervised to have a model that can be loaded; use its curves"
            )
        self.classes = checkpoint.classes
        self.features = features
        self._encoding = checkpoint.standardization.encoding
        self.spec = checkpoint.spec
        self.epoch = checkpoint.epoch
        self._model = model_for(model, features, len(checkpoint.classes) or 1)
        self.standardization = checkpoint.standardization
        """What rows, and targets that are numbers, go through."""
        self._buffer_names = tuple(checkpoint.buffers)
        for name, tensor in checkpoint.weights.items():
            _place(self, name, nn.Parameter(tensor.clone()))
        for name, tensor in checkpoint.buffers.items():
            _place(self, name, tensor.clone())
        self.eval()

    def forward(self, x: Any) -> Tensor:
        """Outputs [N, C] (logits, or the target's own numbers) of rows.

        Args:
            x: rows [N, *features]; of an uploaded table a DataFrame, or a mapping from column to
                value for each row, None or NaN where one is missing.

        Raises:
            InvalidInput: when rows have another shape.
        """
        rows = self._rows(x)
        weights = {name: weight[None] for name, weight in self.named_parameters()}
        buffers = {name: self.get_buffer(name)[None] for name in self._buffer_names}
        first = next(iter(weights.values()))
        standard = torch.from_numpy(self.standardization(rows)).to(first)
        outputs = self._model.forward(weights, buffers, standard, None, False)[0]
        if self.classes:
            return outputs
        return outputs * self.standardization.target_scale + self.standardization.target_shift

    def _rows(self, x: Any) -> np.ndarray:
        if self._encoding is not None:
            records = x.to_dict("records") if hasattr(x, "to_dict") else x
            return self._encoding.rows(records)
        rows = np.asarray(x.detach().cpu() if isinstance(x, Tensor) else x, np.float64)
        if rows.shape[1:] != self.features:
            raise InvalidInput.at(
                "x", f"must have rows of shape {list(self.features)}, got {list(rows.shape[1:])}"
            )
        return rows


class TrainedMean(Predictor):
    """A trial's runs as one model.

    Args:
        models: of the runs, at least one; `runs` keeps them.
    """

    def __init__(self, models: Sequence[TrainedModel]) -> None:
        super().__init__()
        first = models[0]
        self.classes, self.features, self.spec = first.classes, first.features, first.spec
        self.epoch = max(model.epoch for model in models)
        self.runs = nn.ModuleList(models)
        self.eval()

    def forward(self, x: Any) -> Tensor:
        """The mean of the runs' outputs [N, C]; for classes the logarithm of the mean probability.

        Args:
            x: rows, as `TrainedModel` takes them.

        Raises:
            InvalidInput: when rows have another shape.
        """
        outputs = torch.stack([run(x) for run in self.runs])
        if not self.classes:
            return outputs.mean(0)
        return outputs.log_softmax(-1).logsumexp(0) - math.log(len(self.runs))


def model_of(checkpoints: Sequence[Checkpoint], features: tuple[int, ...]) -> Predictor:
    """The model of a trial's runs, mostly one.

    Args:
        checkpoints: of the runs.
        features: shape of one row where checkpoints do not say it, see `columns_of`.
    """
    models = [TrainedModel(one, columns_of(one) or features) for one in checkpoints]
    return models[0] if len(models) == 1 else TrainedMean(models)


def columns_of(checkpoint: Checkpoint) -> tuple[int, ...]:
    """Shape of a row of a table as its model takes it; empty for images."""
    fitted = checkpoint.standardization
    return fitted.shift.shape if fitted is not None and fitted.shift.ndim == 1 else ()


def _place(root: nn.Module, name: str, tensor: Tensor) -> None:
    """Puts a tensor at a dotted name, making the modules on the way there."""
    *path, leaf = name.split(".")
    for part in path:
        if part not in root._modules:
            root.add_module(part, nn.Module())
        root = root.get_submodule(part)
    if isinstance(tensor, nn.Parameter):
        root.register_parameter(leaf, tensor)
    else:
        root.register_buffer(leaf, tensor)
