"""A checkpoint's predictions of rows it has not trained on: one safetensors blob, read by NumPy.

N   rows        C   outputs of a row
Tensors of each split, `validation` and `test`: <split>.rows int64 [N], <split>.outputs float32
[N, C], <split>.targets int64 or float64 [N]. The JSON in the metadata names trial, epoch, the
sha256 of the checkpoint, the classes and the targets' scale. Nothing is ever unpickled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from hpsearch.errors import CorruptArtifact

FORMAT = "hpsearch-predictions"
VERSION = 1
MALFORMED = (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)
"""Raised when a document is read whose values are of the wrong types."""

Numbers: TypeAlias = NDArray[np.float32] | NDArray[np.float64]


@dataclass(frozen=True)
class SplitPredictions:
    """Predictions of the rows of one split, validation or test."""

    rows: NDArray[np.int64]
    """Indices of the rows in the data set, [N], ascending."""
    outputs: NDArray[np.float32]
    """[N, C]: logits, of which softmax makes probabilities, or numbers in the data's own unit."""
    targets: NDArray[np.int64] | NDArray[np.float64]
    """[N]: indices of classes, or numbers in the data's own unit."""

    @property
    def is_classification(self) -> bool:
        """Whether the targets are classes."""
        return self.targets.dtype.kind == "i"


@dataclass(frozen=True)
class Predictions:
    """What one checkpoint predicts of the validation and the test rows."""

    trial: int
    epoch: int
    checkpoint: str
    """The checkpoint's sha256."""
    classes: tuple[str, ...]
    """Names, in the order of the outputs; none where they have none."""
    target_scale: float
    """What one unit of a standardised target is in the data's own unit; 1 for classes."""
    validation: SplitPredictions
    test: SplitPredictions | None


def write(predictions: Predictions) -> bytes:
    """The blob of a checkpoint's predictions; `read` gives them back."""
    splits = {"validation": predictions.validation}
    if predictions.test is not None:
        splits["test"] = predictions.test
    tensors = {}
    for name, split in splits.items():
        tensors[f"{name}.rows"] = np.ascontiguousarray(split.rows, np.int64)
        tensors[f"{name}.outputs"] = np.ascontiguousarray(split.outputs, np.float32)
        dtype = np.int64 if split.is_classification else np.float64
        tensors[f"{name}.targets"] = np.ascontiguousarray(split.targets, dtype)
    state = {
        "format": FORMAT,
        "version": VERSION,
        "trial": predictions.trial,
        "epoch": predictions.epoch,
        "checkpoint": predictions.checkpoint,
        "classes": predictions.classes,
        "target_scale": predictions.target_scale,
    }
    return save(tensors, {FORMAT: json.dumps(state)})


def read(blob: bytes) -> Predictions:
    """The predictions that a blob holds.

    Raises:
        CorruptArtifact: when it is no such blob, damaged, or of another format version.
    """
    try:
        size = int.from_bytes(blob[:8], "little")
        header = json.loads(blob[8 : 8 + size])
        state = json.loads(header["__metadata__"][FORMAT])
        if state["version"] != VERSION:
            raise ValueError(f"their format version is {state['version']}, not {VERSION}")
        tensors = load(blob)
        validation = _split(tensors, "validation")
        if validation is None:
            raise ValueError("they have no validation rows")
        return Predictions(
            trial=int(state["trial"]),
            epoch=int(state["epoch"]),
            checkpoint=str(state["checkpoint"]),
            classes=tuple(map(str, state["classes"])),
            target_scale=float(state["target_scale"]),
            validation=validation,
            test=_split(tensors, "test"),
        )
    except (SafetensorError, *MALFORMED) as error:
        raise CorruptArtifact(
            f"stored predictions must be a whole safetensors blob of this product, but {error}; "
            "they can be made again from the checkpoint"
        ) from None


def _split(tensors: Mapping[str, NDArray[Any]], name: str) -> SplitPredictions | None:
    if f"{name}.rows" not in tensors:
        return None
    rows, outputs, targets = (
        tensors[f"{name}.{field}"] for field in ("rows", "outputs", "targets")
    )
    shapes = [list(array.shape) for array in (rows, outputs, targets)]
    if outputs.ndim != 2 or not shapes[0] == shapes[1][:1] == shapes[2]:
        raise ValueError(f"their {name} rows, outputs and targets are of different lengths")
    dtypes = (rows.dtype.str, outputs.dtype.str, targets.dtype.str)
    if dtypes not in (("<i8", "<f4", "<i8"), ("<i8", "<f4", "<f8")):
        raise ValueError(f"their {name} numbers are of the types {', '.join(dtypes)}")
    if targets.dtype.kind == "i" and not ((targets >= 0) & (targets < outputs.shape[1])).all():
        raise ValueError(f"their {name} targets name classes that they have no outputs for")
    return SplitPredictions(rows, outputs, targets)
