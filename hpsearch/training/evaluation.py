"""Stored weights put to work: their metrics and their outputs on a part of the data."""

from __future__ import annotations

import torch
from torch import Tensor

from hpsearch.errors import TrainingFailed
from hpsearch.training import checkpoint as checkpoints
from hpsearch.training.layout import Layout
from hpsearch.training.models.base import Views
from hpsearch.training.plan import Plan
from hpsearch.training.rows import flat
from hpsearch.training.tasks import task_for
from hpsearch.training.tasks.base import Held, Task
from hpsearch.training.tasks.supervised import Supervised


def evaluate(
    plan: Plan,
    checkpoint: bytes,
    split: Held,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> dict[str, float]:
    """The `val_*` or `test_*` metrics of stored weights.

    Raises:
        CorruptArtifact: when the checkpoint cannot be read.
        TrainingFailed: when the split has no such rows.
    """
    task, weights, buffers = _open(plan, checkpoint, split, torch.device(device), dtype)
    with torch.no_grad():
        metrics = task.measure(weights, buffers, split)
    return {name: float(value[0]) for name, value in metrics.items() if not _is_training(name)}


def outputs(
    plan: Plan,
    checkpoint: bytes,
    split: Held,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> tuple[Tensor, Tensor]:
    """Outputs [N, C] of stored weights and targets [N], rows in the split's order, on the CPU.

    Raises:
        CorruptArtifact: when the checkpoint cannot be read.
        TrainingFailed: when the task has no rows, or the split none of these.
    """
    task, weights, buffers = _open(plan, checkpoint, split, torch.device(device), dtype)
    if not isinstance(task, Supervised):
        raise TrainingFailed(
            f"outputs need a task with rows, got {plan.spec.task.dataset}; ask for its metrics"
        )
    with torch.no_grad():
        found = task.outputs(weights, buffers, split)
    return found[0].cpu(), task.targets(split).cpu()


def _is_training(name: str) -> bool:
    return name.startswith("train_")


def _open(
    plan: Plan, blob: bytes, split: Held, device: torch.device, dtype: torch.dtype
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

    weights = flat(task.layout, saved.weights)
    buffers = flat(task.buffers, saved.buffers)
    return task, views(task.layout, weights), views(task.buffers, buffers)
