"""The checkpoint of a trial that is several runs: one safetensors blob that holds theirs.

Tensor `replicas.<i>` (uint8 [bytes]) is the i-th run's checkpoint, a whole safetensors blob of its
own as `checkpoint` describes it. Tensor `metrics.<i>` (float64) are the last metrics of a run that
has ended, which stay in the trial's means. The JSON in the metadata under `hpsearch-replicas`
names trial and epoch, and of each run its fold, its repeat and its metrics. Nothing is ever
unpickled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from hpsearch.training.checkpoints import checkpoint as checkpoints
from hpsearch.training.checkpoints.checkpoint import MALFORMED, Checkpoint, corrupt, read_metadata
from hpsearch.training.tasks.plan import RunId

FORMAT = "hpsearch-replicas"
VERSION = 1


@dataclass(frozen=True)
class StoredRun:
    """One run of a trial's checkpoint."""

    run_id: RunId
    checkpoint: bytes
    final_metrics: Mapping[str, float] | None = None
    """Of its last epoch, once it has ended."""


def write(number: int, epoch: int, runs: Sequence[StoredRun]) -> bytes:
    """The blob of a trial's runs after an epoch (0-based)."""
    tensors: dict[str, Tensor] = {}
    for i, run in enumerate(runs):
        tensors[f"replicas.{i}"] = torch.frombuffer(bytearray(run.checkpoint), dtype=torch.uint8)
        if run.final_metrics is not None:
            values = torch.tensor(list(run.final_metrics.values()), dtype=torch.float64)
            tensors[f"metrics.{i}"] = values
    state = {
        "format": FORMAT,
        "version": VERSION,
        "number": number,
        "epoch": epoch,
        "replicas": [
            {
                "fold": run.run_id.fold,
                "repeat": run.run_id.repeat,
                "metrics": None if run.final_metrics is None else list(run.final_metrics),
            }
            for run in runs
        ],
    }
    return save(tensors, {FORMAT: json.dumps(state)})


def read(blob: bytes) -> tuple[StoredRun, ...]:
    """The runs that a blob of `write` holds, in the order of `run_ids`.

    Raises:
        CorruptArtifact: when it is no such blob, damaged, or of another format version.
    """
    state = read_metadata(blob, FORMAT, VERSION)
    try:
        tensors = load(blob)
        if not state["replicas"]:
            raise ValueError("it holds no runs")
        return tuple(
            _stored(int(state["number"]), document, i, tensors)
            for i, document in enumerate(state["replicas"])
        )
    except (SafetensorError, *MALFORMED) as error:
        raise corrupt(str(error)) from None


def run_checkpoints(blob: bytes) -> tuple[Checkpoint, ...]:
    """The checkpoints of a trial's runs: one, where it is a single one.

    Raises:
        CorruptArtifact: when the blob is neither a checkpoint nor several.
    """
    if is_multi_run(blob):
        return tuple(checkpoints.read(run.checkpoint) for run in read(blob))
    return (checkpoints.read(blob),)


def is_multi_run(blob: bytes) -> bool:
    """Whether a blob says that it holds several runs."""
    size = int.from_bytes(blob[:8], "little")
    return f'"{FORMAT}"'.encode() in blob[8 : 8 + size]


def _stored(number: int, document: Any, i: int, tensors: Mapping[str, Tensor]) -> StoredRun:
    names, fold = document["metrics"], document["fold"]
    content = tensors[f"replicas.{i}"]
    if content.dtype != torch.uint8:
        raise ValueError(f"replicas.{i} must hold bytes, got {content.dtype}")
    return StoredRun(
        RunId(number, None if fold is None else int(fold), int(document["repeat"])),
        content.numpy().tobytes(),
        None
        if names is None
        else dict(zip(map(str, names), tensors[f"metrics.{i}"].tolist(), strict=True)),
    )
