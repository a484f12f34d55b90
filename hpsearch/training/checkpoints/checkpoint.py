"""A trial's state as one safetensors blob: tensors by name, the rest as JSON in its metadata.

Nothing is ever unpickled. Names of tensors open with what they are:
weights.<name>, buffers.<name>, <copy>.weights.<name>, <copy>.buffers.<name>, slots.<slot>,
history.<metric>, standardization.shift, .scale and .target.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast, get_args

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from hpsearch.errors import CorruptArtifact, InvalidInput
from hpsearch.spec.language.messages import format_value
from hpsearch.spec.study import StudySpec, parse_study
from hpsearch.spec.wire.upload import ClassType
from hpsearch.training.data.class_values import class_values
from hpsearch.training.data.encoding import Encoding
from hpsearch.training.data.standardize import Standardization
from hpsearch.training.numerics.early_stopping import BestEpoch

FORMAT = "hpsearch-checkpoint"
VERSION = 1
MALFORMED = (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)
"""What reading a document raises whose values are of other kinds than they must be."""
GROUPS = ("weights", "buffers", "slots", "history", "standardization")
"""What names of tensors open with, beside those of copies."""


@dataclass(frozen=True)
class Parameters:
    """A copy of a model's numbers, named and shaped as one trial has them."""

    weights: Mapping[str, Tensor]
    buffers: Mapping[str, Tensor]


@dataclass(frozen=True)
class Checkpoint:
    """What a trial needs to go on, and what others need to use its weights."""

    number: int
    """The trial's."""
    epoch: int
    """The last finished one, 0-based."""
    updates: int
    """Optimizer steps taken."""
    spec: StudySpec
    """Resolved."""
    classes: tuple[str, ...]
    """Names in the order of the outputs; none for numbers."""
    weights: Mapping[str, Tensor]
    """Named and shaped as one trial has them."""
    buffers: Mapping[str, Tensor]
    """Running statistics."""
    optimizer_state: Mapping[str, Tensor]
    """The optimizer's state, each [P] or [1]."""
    standardization: Standardization | None
    """What fresh rows, and targets that are numbers, must go through; none without rows."""
    copies: Mapping[str, Parameters] = field(default_factory=dict)
    """`ema`, `swa` and `best`, where the trial has them."""
    history: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """The metrics that schedules follow, one value per finished epoch; mostly empty."""
    best: BestEpoch = field(default_factory=BestEpoch)
    """The best epoch so far, followed under early stopping."""
    swa_epochs: int = 0
    """Epochs in `swa`."""
    stopped: bool = False
    """Early stopping has ended the trial."""
    class_type: ClassType = "text"
    """Of the values that the classes' names stand for."""


def write(checkpoint: Checkpoint) -> bytes:
    """The checkpoint as a safetensors blob, as the module's head describes it."""
    groups: dict[str, Mapping[str, Tensor]] = {
        "weights": checkpoint.weights,
        "buffers": checkpoint.buffers,
        "slots": checkpoint.optimizer_state,
        "history": {
            name: torch.tensor(values, dtype=torch.float64)
            for name, values in checkpoint.history.items()
        },
    }
    for name, copy in checkpoint.copies.items():
        groups |= {f"{name}.weights": copy.weights, f"{name}.buffers": copy.buffers}
    if standardization := checkpoint.standardization:
        groups["standardization"] = {
            "shift": torch.from_numpy(standardization.shift),
            "scale": torch.from_numpy(standardization.scale),
            "target": torch.tensor(
                [standardization.target_shift, standardization.target_scale], dtype=torch.float64
            ),
        }
    tensors = {
        f"{group}.{name}": tensor.contiguous()
        for group, named in groups.items()
        for name, tensor in named.items()
    }
    state = {
        "format": FORMAT,
        "version": VERSION,
        "number": checkpoint.number,
        "epoch": checkpoint.epoch,
        "updates": checkpoint.updates,
        "best": {"epoch": checkpoint.best.epoch, "value": checkpoint.best.value},
        "averaged": checkpoint.swa_epochs,
        "stopped": checkpoint.stopped,
        "copies": list(checkpoint.copies),
        "classes": checkpoint.classes,
        "class_type": checkpoint.class_type,
        "encoding": _as_json(checkpoint.standardization),
        "spec": checkpoint.spec.model_dump(mode="json"),
    }
    return save(tensors, {FORMAT: json.dumps(state)})


def read(blob: bytes) -> Checkpoint:
    """The checkpoint that a blob holds; tensors on the CPU.

    Raises:
        CorruptArtifact: when it is no checkpoint, damaged, or of another format version.
    """
    state = read_metadata(blob, FORMAT, VERSION)
    try:
        tensors = load(blob)
        groups = [f"{name}." for name in (*GROUPS, *map(str, state["copies"]))]
        for name in sorted(tensors):
            if not name.startswith(tuple(groups)):
                raise ValueError(f"it holds {format_value(name)}, which no checkpoint has")

        def group(prefix: str) -> dict[str, Tensor]:
            start = f"{prefix}."
            named = sorted(tensors.items())  # the format keeps no order
            return {n.removeprefix(start): t for n, t in named if n.startswith(start)}

        return Checkpoint(
            number=int(state["number"]),
            epoch=int(state["epoch"]),
            updates=int(state["updates"]),
            best=BestEpoch(int(state["best"]["epoch"]), state["best"]["value"]),
            swa_epochs=int(state["averaged"]),
            stopped=bool(state["stopped"]),
            spec=parse_study(state["spec"]),
            classes=tuple(state["classes"]),
            class_type=_class_type(state),
            weights=group("weights"),
            buffers=group("buffers"),
            optimizer_state=group("slots"),
            copies={
                str(name): Parameters(group(f"{name}.weights"), group(f"{name}.buffers"))
                for name in state["copies"]
            },
            standardization=_standardization(group("standardization"), state["encoding"]),
            history={name: tuple(curve.tolist()) for name, curve in group("history").items()},
        )
    except (SafetensorError, *MALFORMED, InvalidInput) as error:
        raise corrupt(str(error)) from None


def _class_type(state: Mapping[str, Any]) -> ClassType:
    """The type of the classes: text where releases before 0.2 stored none.

    Raises:
        ValueError: when there is no such type, or a class is no value of it.
    """
    name = state.get("class_type", "text")
    if name not in get_args(ClassType):
        raise ValueError(f"its classes are of the type {format_value(name)}")
    class_type = cast("ClassType", name)
    class_values(state["classes"], class_type)
    return class_type


def _as_json(standardization: Standardization | None) -> list[dict[str, Any]] | None:
    encoding = standardization.encoding if standardization else None
    return encoding.as_json() if encoding else None


def _standardization(tensors: Mapping[str, Tensor], encoding: Any) -> Standardization | None:
    if not tensors:
        return None
    shift, scale = tensors["target"].tolist()
    return Standardization(
        tensors["shift"].numpy(),
        tensors["scale"].numpy(),
        shift,
        scale,
        None if encoding is None else Encoding.from_json(encoding),
    )


def columns_of(checkpoint: Checkpoint) -> tuple[int, ...]:
    """Shape of a row of a table as its model takes it; empty for images."""
    standardization = checkpoint.standardization
    if standardization is None or standardization.shift.ndim != 1:
        return ()
    return standardization.shift.shape


def read_metadata(blob: bytes, name: str, version: int) -> dict[str, Any]:
    """The JSON object in a blob's metadata under a format's name.

    Raises:
        CorruptArtifact: when there is none, or its version is another.
    """
    size = int.from_bytes(blob[:8], "little")
    try:
        header = json.loads(blob[8 : 8 + size])
        state = json.loads(header["__metadata__"][name])
        stored_version = state["version"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise corrupt("its header does not say that it is one") from None
    if stored_version != version:
        raise CorruptArtifact(
            f"a checkpoint must be of format version {version}, got "
            f"{format_value(stored_version)}; "
            "read it with the release that wrote it"
        )
    if not isinstance(state, dict):
        raise corrupt("its header is no object")
    return state


def corrupt(reason: str) -> CorruptArtifact:
    """The error that refuses a blob, with what is wrong about it."""
    return CorruptArtifact(
        f"a checkpoint must be a whole safetensors blob of this product, but {reason}; "
        "use another checkpoint of the trial"
    )
