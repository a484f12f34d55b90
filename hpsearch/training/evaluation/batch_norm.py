"""Recomputing batch norm's running statistics, which averaged weights need.

Izmailov et al. 2018, section 3.2; `torch.optim.swa_utils.update_bn`.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from hpsearch.training.checkpoints.checkpoint import Checkpoint
from hpsearch.training.checkpoints.rewrite import rewrite
from hpsearch.training.data.folds import Fold
from hpsearch.training.evaluation.predictions import plan_of
from hpsearch.training.numerics.flatten import flatten, unflatten
from hpsearch.training.tasks import task_for
from hpsearch.training.tasks.base import Task
from hpsearch.training.tasks.plan import RunId, fold_of
from hpsearch.training.tasks.plugin_adapter import PluginAdapter
from hpsearch.training.tasks.supervised import Supervised


def with_fresh_statistics(blob: bytes, *, device: torch.device | str = "cpu") -> bytes:
    """A checkpoint whose running statistics are the means over its own training batches.

    Each run's are of the rows that it trains on, in the data's order, neither augmented nor dropped
    from; copies keep theirs. A checkpoint without running statistics is given back as it is.

    Raises:
        CorruptArtifact: when the checkpoint cannot be read, or does not fit its model.
        NotFound: when its data set is gone.
        TrainingFailed: when its plug-in fails.
    """
    plan, tasks = plan_of(blob), dict[Fold | None, Task]()

    def change(_: int, run_id: RunId, saved: Checkpoint) -> Checkpoint:
        if not saved.buffers:
            return saved
        dtype = next(iter(saved.weights.values())).dtype
        fold = fold_of(plan.spec, run_id)
        if fold not in tasks:
            tasks.clear()
            tasks[fold] = task_for(plan.spec, device=torch.device(device), dtype=dtype, fold=fold)
        return _refreshed(saved, tasks[fold], torch.device(device))

    return rewrite(blob, change)


@torch.no_grad()
def _refreshed(saved: Checkpoint, task: Task, device: torch.device) -> Checkpoint:
    if not isinstance(task, Supervised | PluginAdapter):
        return saved
    weights = flatten(task.layout, saved.weights).to(device).unsqueeze(0)
    buffers = flatten(task.buffers, saved.buffers).to(device).unsqueeze(0)
    task.refresh_statistics(task.layout.views(weights), task.buffers.views(buffers))
    return replace(saved, buffers=unflatten(task.buffers, buffers[0].cpu()))
