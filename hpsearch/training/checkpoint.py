"""A trial's state as one safetensors blob: tensors by name, the rest as JSON in its metadata.

Nothing is ever unpickled. Names of tensors open with what they are:
weights.<name>, buffers.<name>, slots.<slot>, history.<metric>, standardization.shift and .scale.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from hpsearch.errors import CorruptArtifact, InvalidInput
from hpsearch.spec.study import StudySpec, parse_study

FORMAT = "hpsearch-checkpoint"
VERSION = 1


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
    slots: Mapping[str, Tensor]
    """The optimizer's state, each [P] or [1]."""
    standardization: tuple[Tensor, Tensor] | None
    """(shift, scale), float64: what fresh rows must go through."""
    history: Mapping[str, tuple[float, ...]]
    """The metrics that schedules follow, one value per finished epoch; mostly empty."""


def write(checkpoint: Checkpoint) -> bytes:
    """The blob."""
    groups: dict[str, Mapping[str, Tensor]] = {
        "weights": checkpoint.weights,
        "buffers": checkpoint.buffers,
        "slots": checkpoint.slots,
        "history": {
            name: torch.tensor(values, dtype=torch.float64)
            for name, values in checkpoint.history.items()
        },
    }
    if checkpoint.standardization is not None:
        shift, scale = checkpoint.standardization
        groups["standardization"] = {"shift": shift, "scale": scale}
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
        "classes": checkpoint.classes,
        "spec": checkpoint.spec.model_dump(mode="json"),
    }
    return save(tensors, {FORMAT: json.dumps(state)})


def read(blob: bytes) -> Checkpoint:
    """The checkpoint that a blob holds; tensors on the CPU.

    Raises:
        CorruptArtifact: when it is no checkpoint, damaged, or of another format version.
    """
    state = _state(blob)
    try:
        tensors = load(blob)
        groups = {
            group: {
                name.removeprefix(f"{group}."): tensor
                for name, tensor in tensors.items()
                if name.startswith(f"{group}.")
            }
            for group in ("weights", "buffers", "slots", "history", "standardization")
        }
        fitted = groups["standardization"]
        return Checkpoint(
            number=int(state["number"]),
            epoch=int(state["epoch"]),
            updates=int(state["updates"]),
            spec=parse_study(state["spec"]),
            classes=tuple(state["classes"]),
            weights=groups["weights"],
            buffers=groups["buffers"],
            slots=groups["slots"],
            standardization=(fitted["shift"], fitted["scale"]) if fitted else None,
            history={name: tuple(curve.tolist()) for name, curve in groups["history"].items()},
        )
    except (SafetensorError, KeyError, TypeError, ValueError, InvalidInput) as error:
        raise _damaged(str(error)) from None


def _state(blob: bytes) -> dict[str, Any]:
    """The JSON in the metadata, after checking that it is ours."""
    size = int.from_bytes(blob[:8], "little")
    try:
        header = json.loads(blob[8 : 8 + size])
        state = json.loads(header["__metadata__"][FORMAT])
        version = state["version"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise _damaged("its header does not say that it is one") from None
    if version != VERSION:
        raise CorruptArtifact(
            f"a checkpoint must be of format version {VERSION}, got {version!r}; "
            "read it with the release that wrote it"
        )
    if not isinstance(state, dict):
        raise _damaged("its header is no object")
    return state


def _damaged(reason: str) -> CorruptArtifact:
    return CorruptArtifact(
        f"a checkpoint must be a whole safetensors blob of this product, but {reason}; "
        "use another checkpoint of the trial"
    )
