"""Trained models for other programs: ONNX files and `torch.export` programs.

A graph takes rows as the data set has them, float32 [N, *features] with any N, and returns the
model's outputs, [N, C]: logits, of which softmax makes probabilities, or numbers in the data's own
unit. Standardisation is inside, and several runs (folds, repeats) are one graph.

It cannot read text: of an uploaded table it takes encoded rows, numbers as they are (missing ones
filled), a 1 or 0 for each category, and the parts of dates (`date_features`); `columns` says which.
Beside the graph lie as JSON `classes`, the names in the order of the outputs, and for a table
`columns` and `encoding`: of each column how its cells are read, what fills its holes, its
categories, and the earliest date, from which days are counted. ONNX keeps them in
`metadata_props`, `torch.export.load` gives them by `extra_files`.
"""

from __future__ import annotations

import json
import logging
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, cast, get_args

import torch
from torch import Tensor, nn

from hpsearch.errors import InvalidInput
from hpsearch.inference.model import TrainedMean, TrainedModel, TrainedPredictor
from hpsearch.inference.torch_module import plain_model
from hpsearch.optional import require_extra

Format = Literal["onnx", "torch"]

ROWS = 2
"""Rows of the example that a graph is traced with: any number but 0 and 1, which torch treats as
fixed."""


def export_model(model: TrainedPredictor, path: Path | str, format: Format = "onnx") -> None:  # noqa: A002
    """Writes a trained model to one file.

    Args:
        model: of one trial, as `hpsearch.inference.model.model_of` makes it.
        path: the file; one that exists is replaced.
        format: `onnx`, for onnxruntime and others, or `torch`, for `torch.export.load`.

    Raises:
        InvalidInput: when there is no such format.
        MissingPackage: when the extra `export` is not installed.

    Example:
        >>> export_model(model, "wine.pt2", format="torch")
    """
    if format not in get_args(Format):
        raise InvalidInput.at("format", f"must be onnx or torch, got {format}; use onnx")
    graph, example = graph_of(model), (torch.zeros(ROWS, *model.features),)
    metadata = {name: json.dumps(names) for name, names in _names(model).items()}
    rows = ({0: torch.export.Dim("rows")},)
    if format == "torch":
        program = torch.export.export(graph, example, dynamic_shapes=rows)
        with Path(path).open("wb") as file:
            torch.export.save(program, file, extra_files=metadata)
        return
    for module in ("onnx", "onnxscript"):
        require_extra(module, "export", "ONNX files")
    with _quiet():
        exported = torch.onnx.export(
            graph,
            example,
            input_names=["rows"],
            output_names=["outputs"],
            dynamic_shapes=rows,
            dynamo=True,
            verbose=False,
        )
    onnx_program = cast("torch.onnx.ONNXProgram", exported)
    onnx_program.model.metadata_props.update(metadata)
    onnx_program.save(str(path), external_data=False)


def graph_of(model: nn.Module) -> nn.Module:
    """The graph that is exported of a trained model: plain modules, from raw rows to outputs.

    Args:
        model: a `TrainedModel` or a `TrainedMean`.

    Returns:
        A module in evaluation mode, [N, *features] → [N, C].

    Raises:
        TypeError: when it is no model that checkpoints make.
        InvalidInput: when it is of several runs that encode a table in different ways.
    """
    if isinstance(model, TrainedMean):
        _check_encodings(model)
        return _Mean(model).eval()
    if isinstance(model, TrainedModel):
        return _Graph(model).eval()
    raise TypeError(f"a model to export must come from a checkpoint, got {type(model).__name__}")


@contextmanager
def _quiet() -> Iterator[None]:
    """Hides the exporter's notes on its own work: packages that it can do without, old calls."""
    logger = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)`", FutureWarning)
            yield
    finally:
        logger.setLevel(level)


class _Graph(nn.Module):
    """One run's model from raw rows to outputs, of plain modules alone."""

    shift: Tensor
    scale: Tensor

    def __init__(self, model: TrainedModel) -> None:
        super().__init__()
        fitted = model.standardization
        self.register_buffer("shift", torch.from_numpy(fitted.shift))
        self.register_buffer("scale", torch.from_numpy(fitted.scale))
        tensors = dict(model.state_dict())
        self._dtype = next(iter(tensors.values())).dtype
        self.model = plain_model(model.spec.supervised.model, tensors)
        self._target = None if model.classes else (fitted.target_scale, fitted.target_shift)

    def forward(self, rows: Tensor) -> Tensor:
        """[N, *features] → [N, C]; standardised in float64, as in training."""
        standard = (rows.double() - self.shift) / self.scale
        outputs: Tensor = self.model(standard.to(self._dtype))
        if self._target is None:
            return outputs
        scale, shift = self._target
        return outputs * scale + shift


class _Mean(nn.Module):
    """Several runs as one: the mean of numbers, or the logarithm of the mean probability."""

    def __init__(self, model: TrainedMean) -> None:
        super().__init__()
        self.runs = nn.ModuleList(graph_of(run) for run in model.runs)
        self._of_classes = bool(model.classes)

    def forward(self, rows: Tensor) -> Tensor:
        """[N, *features] → [N, C]."""
        outputs = torch.stack([run(rows) for run in self.runs])
        if not self._of_classes:
            return outputs.mean(0)
        return outputs.log_softmax(-1).logsumexp(0) - math.log(len(self.runs))


def _check_encodings(model: TrainedMean) -> None:
    """Refuses runs whose encoded columns do not mean the same, as one graph gets one matrix."""
    inputs = {
        (encoding.feature_names, tuple(column.dates for column in encoding.columns))
        for run in model.runs
        if (encoding := cast("TrainedModel", run).standardization.encoding) is not None
    }
    if len(inputs) > 1:
        raise InvalidInput.at(
            "model",
            "runs that become one graph must encode a table alike, and the training rows of these "
            "folds have other categories or other dates; export one of them: model.runs[0]",
        )


def _names(model: TrainedPredictor) -> dict[str, list[Any]]:
    """What outputs and, of a table, inputs are called, and how cells become these inputs."""
    first = model.runs[0] if isinstance(model, TrainedMean) else model
    encoding = first.standardization.encoding if isinstance(first, TrainedModel) else None
    columns = [] if encoding is None else list(encoding.feature_names)
    readings = [] if encoding is None else encoding.as_json()
    named: dict[str, list[Any]] = {
        "classes": list(model.classes),
        "columns": columns,
        "encoding": readings,
    }
    return {name: names for name, names in named.items() if names}
