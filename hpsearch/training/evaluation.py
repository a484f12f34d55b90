"""Stored weights put to work: their metrics and their outputs on a part of the data."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from hpsearch.errors import TrainingFailed
from hpsearch.training import checkpoint as checkpoints
from hpsearch.training.checkpoint import Checkpoint, Parameters
from hpsearch.training.layout import Layout
from hpsearch.training.models.base import Views
from hpsearch.training.plan import Plan
from hpsearch.training.rows import flat
from hpsearch.training.tasks import task_for
from hpsearch.training.tasks.base import Held, Task
from hpsearch.training.tasks.supervised import Supervised

Copy = Literal["raw", "ema", "swa", "best"]
"""Which of a checkpoint's weights: those in training, or a copy that the trial keeps."""


def evaluate(
    plan: Plan,
    checkpoint: bytes,
    split: Held,
    *,
    copy: Copy = "raw",
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> dict[str, float]:
    """The `val_*` or `test_*` metrics of stored weights.

    Raises:
        CorruptArtifact: when the checkpoint cannot be read.
        TrainingFailed: when the split has no rows, or the trial no such copy.
    """
    task, weights, buffers = _open(plan, checkpoint, split, copy, torch.device(device), dtype)
    with torch.no_grad():
        metrics = task.measure(weights, buffers, split)
    return {name: float(value[0]) for name, value in metrics.items() if not _is_training(name)}


def outputs(
    plan: Plan,
    checkpoint: bytes,
    split: Held,
    *,
    copy: Copy = "raw",
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> tuple[Tensor, Tensor]:
    """Outputs [N, C] of stored weights and targets [N], rows in the split's order, on the CPU.

    Numbers, and outputs for them, are in the data's own unit.

    Raises:
        CorruptArtifact: when the checkpoint cannot be read.
        TrainingFailed: when task or split have no rows, or the trial no such copy.
    """
    task, weights, buffers = _open(plan, checkpoint, split, copy, torch.device(device), dtype)
    if not isinstance(task, Supervised):
        raise TrainingFailed(
            f"outputs need a task with rows, and {plan.spec.name} has none; ask for its metrics"
        )
    with torch.no_grad():
        found, y = task.outputs(weights, buffers, split), task.targets(split)
        if not task.classes:
            found, y = task.in_own_unit(found), task.in_own_unit(y)
    return found[0].cpu(), y.cpu()


def _is_training(name: str) -> bool:
    return name.startswith("train_")


def _open(
    plan: Plan, blob: bytes, split: Held, copy: Copy, device: torch.device, dtype: torch.dtype
) -> tuple[Task, Views, Views]:
    """The plan's task, and stored weights and running statistics as its views of one trial."""
    saved = checkpoints.read(blob)
    task = task_for(plan.spec, device=device, dtype=dtype)
    if isinstance(task, Supervised) and not len(task.targets(split)):
        raise TrainingFailed(
            f"task.split.{split} must leave at least one row to measure on, got none; "
            "give it a larger share"
        )

    def views(layout: Layout, row: Tensor) -> Views:
        return layout.views(row.to(device, dtype).unsqueeze(0))

    found: Parameters | Checkpoint = saved
    if copy != "raw":
        if copy not in saved.copies:
            raise TrainingFailed(
                f"the trial must keep {copy} weights to measure them, and trial {saved.number} "
                "keeps none; measure its raw ones"
            )
        found = saved.copies[copy]
    weights, buffers = flat(task.layout, found.weights), flat(task.buffers, found.buffers)
    return task, views(task.layout, weights), views(task.buffers, buffers)
