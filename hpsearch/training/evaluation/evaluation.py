"""Metrics and outputs of stored weights on a part of the data.

N   rows        C   outputs of a row
A trial that is several runs (folds, repeats) is taken as one: its metrics are the means of theirs,
and its outputs for a row those of all its runs that hold the row out, combined. `run_outputs` gives
each run's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from hpsearch.errors import CorruptArtifact, TrainingFailed
from hpsearch.training.checkpoints import multi_run
from hpsearch.training.checkpoints.checkpoint import Checkpoint, Parameters
from hpsearch.training.data.folds import Fold
from hpsearch.training.models.base import Views
from hpsearch.training.numerics.flatten import flatten
from hpsearch.training.numerics.layout import Layout
from hpsearch.training.numerics.run_means import mean_metrics
from hpsearch.training.tasks import task_for
from hpsearch.training.tasks.base import HeldOut, Task
from hpsearch.training.tasks.plan import Plan, RunId, fold_of, run_ids
from hpsearch.training.tasks.plugin_adapter import PluginAdapter
from hpsearch.training.tasks.supervised import Supervised

Copy = Literal["raw", "ema", "swa", "best"]
"""Which of a checkpoint's weights: those in training, or a copy that the trial keeps."""


@dataclass(frozen=True)
class RunOutputs:
    """What one run of a trial makes of the rows that it holds out."""

    run_id: RunId
    rows: Tensor
    """Which rows of the data set they are, int64 [N], ascending; on the CPU, as all here."""
    outputs: Tensor
    """[N, C]"""
    targets: Tensor
    """[N]: int64 for classes, in the data's own unit for numbers."""


def evaluate(
    plan: Plan,
    checkpoint: bytes,
    split: HeldOut,
    *,
    copy: Copy = "raw",
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> dict[str, float]:
    """The `val_*` or `test_*` metrics of stored weights.

    Of a trial that is several runs their means, each with its sample standard deviation `*_std`;
    under folds each run validates on its own.

    Args:
        plan: the trial's.
        checkpoint: its state, of one run or of several.
        split: which part of the data is measured on.
        copy: which of the checkpoint's weights are measured.
        device: where to compute.
        dtype: precision of weights and data.

    Raises:
        CorruptArtifact: when the checkpoint cannot be read.
        TrainingFailed: when the split has no rows, or the trial no such copy.
    """
    by_run = []
    for _, saved, task in _open_runs(plan, checkpoint, torch.device(device), dtype):
        _check_rows(task, split)
        with torch.no_grad():
            metrics = task.measure(*_views(task, saved, copy, torch.device(device), dtype), split)
        by_run.append({n: float(v[0]) for n, v in metrics.items() if not n.startswith("train_")})
    return by_run[0] if len(by_run) == 1 else mean_metrics(by_run)


def outputs(
    plan: Plan,
    checkpoint: bytes,
    split: HeldOut,
    *,
    copy: Copy = "raw",
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> tuple[Tensor, Tensor]:
    """Outputs [N, C] of stored weights and targets [N], rows in the data's order, on the CPU.

    Numbers, and outputs for them, are in the data's own unit. Of a trial that is several runs, a
    row's output is the mean over the runs that hold it out, for classes the logarithm of the mean
    softmax probability, so that a softmax of it gives that mean. Under folds the validation rows
    are all that do not test but the only one of a class, each seen by the runs that have not
    trained on it.

    Args:
        plan: the trial's.
        checkpoint: its state, of one run or of several.
        split: which part of the data it is asked for.
        copy: which of the checkpoint's weights compute them.
        device: where to compute.
        dtype: precision of weights and data.

    Raises:
        CorruptArtifact: when the checkpoint cannot be read.
        TrainingFailed: when the task or the split has no rows, or the trial no such copy.
    """
    runs = run_outputs(plan, checkpoint, split, copy=copy, device=device, dtype=dtype)
    if len(runs) == 1:
        return runs[0].outputs, runs[0].targets
    return combine(runs)


def run_outputs(
    plan: Plan,
    checkpoint: bytes,
    split: HeldOut,
    *,
    copy: Copy = "raw",
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> tuple[RunOutputs, ...]:
    """The outputs of each run of a trial, in the order of `run_ids`; one without folds.

    Raises:
        CorruptArtifact: when the checkpoint cannot be read.
        TrainingFailed: when the task or the split has no rows, or the trial no such copy.
    """
    by_run = []
    for run_id, saved, task in _open_runs(plan, checkpoint, torch.device(device), dtype):
        if not isinstance(task, Supervised | PluginAdapter):
            raise TrainingFailed(
                f"outputs need a task with rows, and {plan.spec.name} has none; ask for its metrics"
            )
        _check_rows(task, split)
        with torch.no_grad():
            outputs_of_run, y = task.predictions(
                *_views(task, saved, copy, torch.device(device), dtype), split
            )
        rows = task.rows_of(split)
        by_run.append(RunOutputs(run_id, rows, outputs_of_run[0].cpu(), y.cpu()))
    return tuple(by_run)


def combine(runs: Sequence[RunOutputs]) -> tuple[Tensor, Tensor]:
    """One output [N, C] and one target [N] for each row that any run holds out, rows ascending."""
    rows = torch.from_numpy(np.unique(torch.cat([run.rows for run in runs]).numpy()))
    total = torch.zeros(len(rows), runs[0].outputs.shape[1], dtype=torch.float64)
    times, targets = torch.zeros(len(rows), 1), torch.empty(len(rows), dtype=runs[0].targets.dtype)
    is_classes = not targets.is_floating_point()
    for run in runs:
        index = torch.searchsorted(rows, run.rows)
        outputs_of_run = run.outputs.double()
        total[index] += outputs_of_run.softmax(-1) if is_classes else outputs_of_run
        times[index] += 1
        targets[index] = run.targets
    mean = total / times
    if is_classes:
        mean = mean.clamp(min=torch.finfo(mean.dtype).tiny).log()
    return mean.to(runs[0].outputs.dtype), targets


def checkpoints_by_run(plan: Plan, blob: bytes) -> tuple[tuple[RunId, Checkpoint], ...]:
    """Each run of a trial with its checkpoint, in the order of `run_ids`.

    Raises:
        CorruptArtifact: when the checkpoint cannot be read, or holds other runs.
    """
    ids = run_ids(plan)
    saved = multi_run.run_checkpoints(blob)
    if len(saved) != len(ids):
        raise CorruptArtifact(
            f"a checkpoint must hold the {len(ids)} runs that folds and repeats make of trial "
            f"{plan.number}, and it holds {len(saved)}; use one that the trial wrote"
        )
    return tuple(zip(ids, saved, strict=True))


def flat_weights(task: Task, saved: Checkpoint, copy: Copy) -> tuple[Tensor, Tensor]:
    """Stored weights [P] and running statistics [Q], as they are stored.

    Raises:
        CorruptArtifact: when they are not those of the task's model.
        TrainingFailed: when the trial has no such copy.
    """
    parameters: Parameters | Checkpoint = saved
    if copy != "raw":
        if copy not in saved.copies:
            raise TrainingFailed(
                f"the trial must keep {copy} weights to measure them, and trial {saved.number} "
                "keeps none; measure its raw ones"
            )
        parameters = saved.copies[copy]
    weights = flatten(task.layout, parameters.weights)
    return weights, flatten(task.buffers, parameters.buffers)


def _open_runs(
    plan: Plan, blob: bytes, device: torch.device, dtype: torch.dtype
) -> Iterator[tuple[RunId, Checkpoint, Task]]:
    """Each run of a plan with its checkpoint and its task."""
    tasks: dict[Fold | None, Task] = {}
    for run_id, checkpoint in checkpoints_by_run(plan, blob):
        fold = fold_of(plan.spec, run_id)
        if fold not in tasks:
            tasks = {fold: task_for(plan.spec, device=device, dtype=dtype, fold=fold)}
        yield run_id, checkpoint, tasks[fold]


def _check_rows(task: Task, split: HeldOut) -> None:
    if isinstance(task, Supervised) and not len(task.targets(split)):
        raise TrainingFailed(
            f"task.split.{split} must leave at least one row to measure on, got none; "
            "give it a larger share"
        )


def _views(
    task: Task, saved: Checkpoint, copy: Copy, device: torch.device, dtype: torch.dtype
) -> tuple[Views, Views]:
    """Stored weights and running statistics as the task's views of one trial."""

    def views(layout: Layout, row: Tensor) -> Views:
        return layout.views(row.to(device, dtype).unsqueeze(0))

    weights, buffers = flat_weights(task, saved, copy)
    return views(task.layout, weights), views(task.buffers, buffers)
