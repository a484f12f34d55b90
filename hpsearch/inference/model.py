"""A trained model outside the service: a torch module made from a checkpoint.

It takes rows as the data set has them and standardises them as in training. Parameters are named
as in the checkpoint, so `state_dict()` and `parameters()` are what one expects. A trial of several
runs (folds, repeats) makes one module too, whose predictions are the means of theirs.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hpsearch.errors import InvalidInput
from hpsearch.inference.inputs import check_finite, numeric_rows
from hpsearch.inference.row_reader import RowReader, TableRows, joined_readers, reader_of
from hpsearch.inference.unknown_categories import refuse_unknown, warn_of_unknown
from hpsearch.spec.study import StudySpec
from hpsearch.training.checkpoints import multi_run
from hpsearch.training.checkpoints.checkpoint import Checkpoint, columns_of
from hpsearch.training.data.class_values import class_values
from hpsearch.training.models import model_for

NO_PROBABILITIES = "must be of classes to have probabilities, and these are numbers; use predict"
NOT_FINITE = (
    "must hold numbers like those that it was trained on, and its outputs are not finite; "
    "see that they are in the same unit"
)


class TrainedPredictor(nn.Module, ABC):
    """A trained model that predicts rows as the data set has them.

    N   rows        C   classes, or 1 for numbers
    """

    classes: tuple[str, ...]
    """The classes' names in the order of the outputs; none for numbers."""
    features: tuple[int, ...]
    """The shape of a row: [columns], or [channels, height, width] of images."""
    spec: StudySpec
    """The trial's spec, with every value that was searched."""
    epoch: int
    """The last epoch that was trained, 0-based."""
    class_values: NDArray[Any]
    """What each class stands for: text, or the whole numbers, numbers or truth values that were
    learned."""
    reader: RowReader | None
    """Reads a table's rows; none for images and built-in data, whose rows are numbers."""

    def forward(self, x: Any) -> Tensor:
        """The model's outputs, with gradients.

        Args:
            x: rows [N, *features]; of an uploaded table a DataFrame, or a mapping from column to
                value for each row, None or NaN where one is missing.

        Returns:
            [N, C]: logits, of which softmax makes probabilities, or numbers in the data's own unit.

        Raises:
            InvalidInput: when rows have another shape, or do not hold what they must.

        Warns:
            UnknownCategoryWarning: when rows hold categories that no training row had.
        """
        if self.reader is None and isinstance(x, np.ndarray) and x.shape[1:] != self.features:
            raise InvalidInput.at(
                "x", f"must have rows of shape {list(self.features)}, got {list(x.shape[1:])}"
            )
        # The caller is behind two frames of torch's.
        return self.outputs(self._known_rows(x, strict=False, stacklevel=5))

    def read_rows(self, x: Any) -> TableRows:
        """Rows as `outputs` takes them, and which of their categories no training row had.

        Args:
            x: rows, as `forward` takes them.

        Raises:
            InvalidInput: when rows have another shape, or do not hold what they must.
        """
        if self.reader is None:
            return TableRows(numeric_rows(x, self.features), {})
        return self.reader.read(x)

    @abstractmethod
    def outputs(self, rows: NDArray[np.float64]) -> Tensor:
        """What `forward` returns, [N, C], for rows that `read_rows` made."""

    @torch.no_grad()
    def predict(self, x: Any, *, strict: bool = False) -> list[Any]:
        """Predicts rows.

        Args:
            x: rows, as `forward` takes them.
            strict: refuses rows that hold a category which no training row had.

        Returns:
            For each row its class, of the type that was learned (text, int, float or bool), or its
            number in the data's own unit.

        Raises:
            InvalidInput: when rows do not fit, or outputs are not finite.

        Warns:
            UnknownCategoryWarning: when rows hold categories that no training row had.

        Example:
            >>> model.predict(rows)
            ['class_0', 'class_2']
        """
        outputs = self._finite(x, strict=strict)
        if not self.classes:
            return [float(value) for value in outputs[:, 0]]
        values: list[Any] = self.class_values[outputs.argmax(-1).numpy(force=True)].tolist()
        return values

    @torch.no_grad()
    def predict_probabilities(self, x: Any, *, strict: bool = False) -> Tensor:
        """The probabilities of the classes, which are the softmax of the outputs.

        Args:
            x: rows, as `forward` takes them.
            strict: refuses rows that hold a category which no training row had.

        Returns:
            [N, C], each row with sum 1.

        Raises:
            InvalidInput: when rows do not fit, or there are no classes.

        Warns:
            UnknownCategoryWarning: when rows hold categories that no training row had.

        Example:
            >>> model.predict_probabilities(rows).shape
            torch.Size([2, 3])
        """
        if not self.classes:
            raise InvalidInput.at("x", NO_PROBABILITIES)
        return torch.softmax(self._finite(x, strict=strict), -1)

    def unknown_categories(self, x: Any) -> dict[str, int]:
        """How many rows hold a category that no training row had, by column; empty where none do.

        Args:
            x: rows, as `forward` takes them.

        Raises:
            InvalidInput: when rows do not fit.

        Example:
            >>> model.unknown_categories(rows)
            {}
        """
        return {name: found.rows for name, found in self.read_rows(x).unknown.items()}

    def _known_rows(self, x: Any, *, strict: bool, stacklevel: int) -> NDArray[np.float64]:
        """Rows for `outputs`; those with unknown categories are warned of, or refused."""
        rows = self.read_rows(x)
        if strict:
            refuse_unknown(rows.unknown)
        warn_of_unknown(rows.unknown, len(rows.x), stacklevel)
        return rows.x

    def _finite(self, x: Any, *, strict: bool) -> Tensor:
        # Between here and the caller stand `predict` and the decorator around it.
        outputs = self.outputs(self._known_rows(x, strict=strict, stacklevel=5))
        check_finite(outputs.numpy(force=True), NOT_FINITE)
        return outputs


class TrainedModel(TrainedPredictor):
    """The model of one run of a trial, with its parameters under the checkpoint's names.

    Args:
        checkpoint: its weights, running statistics and standardisation.
        features: shape of one row as the model takes it, [columns] or [channels, height, width].

    Raises:
        InvalidInput: when the checkpoint is of a plug-in, whose model needs its own code.

    Example:
        >>> sorted(name for name, _ in model.named_parameters())[:2]
        ['layers.0.bias', 'layers.0.norm.scale']
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
        encoding = checkpoint.standardization.encoding
        self.reader = None if encoding is None else reader_of([encoding])
        self.class_values = class_values(checkpoint.classes, checkpoint.class_type)
        self.spec = checkpoint.spec
        self.epoch = checkpoint.epoch
        self._model = model_for(model, features, len(checkpoint.classes) or 1)
        self.standardization = checkpoint.standardization
        """How rows, and targets that are numbers, are standardised."""
        self._buffer_names = tuple(checkpoint.buffers)
        for name, tensor in checkpoint.weights.items():
            _put(self, name, nn.Parameter(tensor.clone()))
        for name, tensor in checkpoint.buffers.items():
            _put(self, name, tensor.clone())
        self.eval()

    def outputs(self, rows: NDArray[np.float64]) -> Tensor:
        """What `forward` returns, [N, C], for rows that `read_rows` made."""
        weights = {name: weight[None] for name, weight in self.named_parameters()}
        buffers = {name: self.get_buffer(name)[None] for name in self._buffer_names}
        first = next(iter(weights.values()))
        standard = torch.from_numpy(self.standardization(rows)).to(first)
        outputs = self._model.forward(weights, buffers, standard, None, False)[0]
        if self.classes:
            return outputs
        return outputs * self.standardization.target_scale + self.standardization.target_shift


class TrainedMean(TrainedPredictor):
    """The models of a trial's runs (folds, repeats) as one, whose predictions are their means.

    Args:
        models: of the runs, at least one; they are in `runs`.

    Raises:
        ValueError: when they read a table in different ways.
    """

    def __init__(self, models: Sequence[TrainedModel]) -> None:
        super().__init__()
        first = models[0]
        self.classes, self.features, self.spec = first.classes, first.features, first.spec
        self.class_values = first.class_values
        self.epoch = max(model.epoch for model in models)
        readers = [model.reader for model in models if model.reader is not None]
        self.reader = joined_readers(readers) if readers else None
        self.runs = nn.ModuleList(models)
        self.eval()

    def outputs(self, rows: NDArray[np.float64]) -> Tensor:
        """The mean of the runs' outputs [N, C]; for classes the logarithm of the mean probability.

        Args:
            rows: that `read_rows` made.
        """
        outputs = torch.stack([cast("TrainedModel", run).outputs(rows) for run in self.runs])
        if not self.classes:
            return outputs.mean(0)
        return outputs.log_softmax(-1).logsumexp(0) - math.log(len(self.runs))


def load_model(
    content: bytes, features_of: Callable[[StudySpec], Sequence[int]]
) -> TrainedPredictor:
    """Returns the model of a checkpoint's file.

    Args:
        content: the file's bytes, of one run or of several.
        features_of: the shape of a row of a spec's data set; called only where the checkpoint
            does not say it.

    Raises:
        CorruptArtifact: when it is no checkpoint, damaged, or of another format version.
    """
    runs = multi_run.run_checkpoints(content)
    features = columns_of(runs[0]) or tuple(features_of(runs[0].spec))
    return model_of(runs, features)


def model_of(checkpoints: Sequence[Checkpoint], features: tuple[int, ...]) -> TrainedPredictor:
    """The model of a trial.

    Args:
        checkpoints: of the trial's runs, mostly one.
        features: shape of one row where checkpoints do not say it, see `columns_of`.

    Returns:
        A `TrainedModel`, or for several runs a `TrainedMean`.

    Raises:
        InvalidInput: when the trial is of a plug-in, whose model needs its own code.
    """
    models = [TrainedModel(run, columns_of(run) or features) for run in checkpoints]
    return models[0] if len(models) == 1 else TrainedMean(models)


def _put(root: nn.Module, name: str, tensor: Tensor) -> None:
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
