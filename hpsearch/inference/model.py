"""A trained model outside the service: a torch module made from a checkpoint.

It takes rows as the data set has them and standardises them as in training. Parameters are named
as in the checkpoint, so `state_dict()` and `parameters()` are what one expects. A trial of several
runs (folds, repeats) makes one module too, whose predictions are the means of theirs.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hpsearch.errors import InvalidInput
from hpsearch.inference.inputs import check_finite, numbers_of, records_of
from hpsearch.spec.study import StudySpec
from hpsearch.training.checkpoints import multi_run
from hpsearch.training.checkpoints.checkpoint import Checkpoint, columns_of
from hpsearch.training.data.encoding import Encoding
from hpsearch.training.models import model_for

Reading: TypeAlias = tuple[tuple[str, int, tuple[str, ...]], ...]
"""Of each column its name, its place in the table, and its categories by code."""

NO_PROBABILITIES = "must be of classes to have probabilities, and these are numbers; use predict"
NOT_FINITE = (
    "must hold numbers like those that it was trained on, and its outputs are not finite; "
    "see that they are in the same unit"
)


class Predictor(nn.Module, ABC):
    """What gives outputs [N, C] of rows, and what these say."""

    classes: tuple[str, ...]
    """Names in the order of the outputs; none for numbers."""
    features: tuple[int, ...]
    """Shape of a row as it is taken."""
    spec: StudySpec
    """Of the trial, resolved."""
    epoch: int
    """The last one trained, 0-based."""
    reading: Reading
    """How a table's rows are read; none for numbers. Models with one reading take the same rows."""

    def forward(self, x: Any) -> Tensor:
        """Outputs [N, C] (logits, or the target's own numbers) of rows.

        Args:
            x: rows [N, *features]; of an uploaded table a DataFrame, or a mapping from column to
                value for each row, None or NaN where one is missing.

        Raises:
            InvalidInput: when rows have another shape, or do not hold what they must.
        """
        if not self.reading and isinstance(x, np.ndarray) and x.shape[1:] != self.features:
            raise InvalidInput.at(
                "x", f"must have rows of shape {list(self.features)}, got {list(x.shape[1:])}"
            )
        return self.outputs(self.taken(x))

    @abstractmethod
    def taken(self, x: Any) -> NDArray[np.float64]:
        """Rows, after every check, as `outputs` takes them."""

    @abstractmethod
    def outputs(self, rows: NDArray[np.float64]) -> Tensor:
        """What `forward` gives of rows that `taken` made."""

    @torch.no_grad()
    def predict(self, x: Any) -> list[Any]:
        """For each row its class's name, or its number."""
        outputs = self._finite(x)
        if not self.classes:
            return [float(value) for value in outputs[:, 0]]
        return [self.classes[i] for i in outputs.argmax(-1).tolist()]

    @torch.no_grad()
    def predict_probabilities(self, x: Any) -> Tensor:
        """Softmax of the outputs [N, C].

        Raises:
            InvalidInput: when rows do not fit, or there are no classes.
        """
        if not self.classes:
            raise InvalidInput.at("x", NO_PROBABILITIES)
        return torch.softmax(self._finite(x), -1)

    def _finite(self, x: Any) -> Tensor:
        outputs: Tensor = self(x)
        check_finite(outputs.numpy(force=True), NOT_FINITE)
        return outputs


class TrainedModel(Predictor):
    """One run's model.

    Args:
        checkpoint: its weights, running statistics and standardisation.
        features: shape of one row as the model takes it, [columns] or [channels, height, width].
    """

    def __init__(self, checkpoint: Checkpoint, features: tuple[int, ...]) -> None:
        super().__init__()
        model = checkpoint.spec.model
        if model is None or checkpoint.standardization is None:
            raise InvalidInput.at(
                "task", "must be supervised to have a model that can be loaded; use its curves"
            )
        self.classes = checkpoint.classes
        self.features = features
        self._encoding = checkpoint.standardization.encoding
        self.reading = _reading(self._encoding)
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

    def outputs(self, rows: NDArray[np.float64]) -> Tensor:
        """What `forward` gives of rows that `taken` made."""
        weights = {name: weight[None] for name, weight in self.named_parameters()}
        buffers = {name: self.get_buffer(name)[None] for name in self._buffer_names}
        first = next(iter(weights.values()))
        standard = torch.from_numpy(self.standardization(rows)).to(first)
        outputs = self._model.forward(weights, buffers, standard, None, False)[0]
        if self.classes:
            return outputs
        return outputs * self.standardization.target_scale + self.standardization.target_shift

    def taken(self, x: Any) -> NDArray[np.float64]:
        """Rows, after every check: [N, *features], or [N, columns] of a table before encoding."""
        if self._encoding is None:
            return numbers_of(x, self.features)
        records = records_of(x, [column.name for column in self._encoding.columns])
        try:
            table = self._encoding.rows(records)
        except OverflowError:
            raise InvalidInput.at(
                "x", "must hold numbers of 64 bits, got a larger one; leave it out if missing"
            ) from None
        check_finite(
            np.where(np.isnan(table), 0.0, table),
            "must hold finite numbers, got infinity; leave it out if missing",
        )
        return table


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
        self.reading = first.reading
        if any(model.reading != first.reading for model in models):
            raise ValueError("runs of a trial must read a table alike")
        self.runs = nn.ModuleList(models)
        self.eval()

    def taken(self, x: Any) -> NDArray[np.float64]:
        """Rows, after every check, as every run takes them."""
        return self._first.taken(x)

    def outputs(self, rows: NDArray[np.float64]) -> Tensor:
        """The mean of the runs' outputs [N, C]; for classes the logarithm of the mean probability.

        Args:
            rows: as `taken` made them.
        """
        outputs = torch.stack([cast("TrainedModel", run).outputs(rows) for run in self.runs])
        if not self.classes:
            return outputs.mean(0)
        return outputs.log_softmax(-1).logsumexp(0) - math.log(len(self.runs))

    @property
    def _first(self) -> TrainedModel:
        return cast("TrainedModel", self.runs[0])


def load_model(content: bytes, features_of: Callable[[str | None], Sequence[int]]) -> Predictor:
    """Returns the model of a checkpoint's file.

    Args:
        content: the file's bytes, of one run or of several.
        features_of: the shape of a row of a data set, by its name; called only where the
            checkpoint does not say it.

    Raises:
        CorruptArtifact: when it is no checkpoint, damaged, or of another format version.
    """
    runs = multi_run.run_checkpoints(content)
    features = columns_of(runs[0]) or tuple(features_of(runs[0].spec.dataset))
    return model_of(runs, features)


def model_of(checkpoints: Sequence[Checkpoint], features: tuple[int, ...]) -> Predictor:
    """The model of a trial's runs, mostly one.

    Args:
        checkpoints: of the runs.
        features: shape of one row where checkpoints do not say it, see `columns_of`.
    """
    models = [TrainedModel(one, columns_of(one) or features) for one in checkpoints]
    return models[0] if len(models) == 1 else TrainedMean(models)


def _reading(encoding: Encoding | None) -> Reading:
    columns = () if encoding is None else encoding.columns
    return tuple((one.name, one.place, one.categories) for one in columns)


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
