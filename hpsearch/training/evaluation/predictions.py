"""Predictions of a trial's checkpoints, many trials at once: what is stored when a trial ends.

    predictor = Predictor(device=device)            # for one group of trials
    predictions = predictor.predict_all([(plan, blob), ...])

K   trials in one pass        N   rows        C   outputs of a row
Outputs and metrics are those of `evaluation`, from a single pass over each part of the data. Small
trials whose task is one are stacked as rows of the same matrices; how many are changes no bit on a
CPU (see `aligned`).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from hpsearch.errors import TrainingFailed
from hpsearch.training.checkpoints import multi_run
from hpsearch.training.evaluation.evaluation import (
    Copy,
    RunOutputs,
    checkpoints_by_run,
    combine,
    flat_weights,
)
from hpsearch.training.numerics.alignment import stack_rows
from hpsearch.training.numerics.run_means import mean_metrics
from hpsearch.training.tasks import task_for, task_key
from hpsearch.training.tasks.base import Evaluation, HeldOut, Task
from hpsearch.training.tasks.plan import Plan, RunId, run_ids
from hpsearch.training.tasks.plugin_adapter import PluginAdapter
from hpsearch.training.tasks.supervised import Supervised

STACKED = 32
"""Trials of one pass at most: more gain nothing."""
STACKED_WEIGHTS = 2**20
"""And so many weights, which bounds the memory of what lies between layers."""


@dataclass(frozen=True)
class SplitOutputs:
    """Of a part of the data; on the CPU."""

    rows: Tensor
    """Which rows of the data set they are, int64 [N], ascending."""
    outputs: Tensor
    """float32 [N, C]: logits for classes, else numbers in the data's own unit."""
    targets: Tensor
    """[N]: int64 for classes, else numbers in the data's own unit."""


@dataclass(frozen=True)
class TrialPredictions:
    """What a checkpoint says of the rows that it has not trained on."""

    validation: SplitOutputs
    """Under folds all rows that do not test, each by the runs that have not trained on it."""
    test: SplitOutputs | None
    """None where no rows test."""
    test_metrics: dict[str, float]
    """As `evaluation.evaluate` gives them; none where no rows test."""
    classes: tuple[str, ...]
    """Names in the order of the outputs; none for numbers, and for those of a plug-in."""
    target_scale: float
    """What one unit of a standardised target is in the data's own unit; 1 for classes. Of several
    runs their mean."""


@dataclass(frozen=True)
class _Run:
    """One run's numbers, flattened."""

    trial: int
    """Its trial's place among those asked for."""
    run_id: RunId
    weights: Tensor
    buffers: Tensor


@dataclass(frozen=True)
class _Said:
    """What one run says."""

    validation: RunOutputs
    test: RunOutputs | None
    metrics: dict[str, float]
    classes: tuple[str, ...]
    target_scale: float


_WithRows: TypeAlias = Supervised | PluginAdapter
_ByRun: TypeAlias = dict[tuple[int, RunId], _Said]


class Predictor:
    """Predicts from checkpoints; keeps each task that it has built, so make one for each group.

    Args:
        device: where to compute.
        dtype: precision of weights and data.
    """

    def __init__(
        self, *, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
    ) -> None:
        self._device, self._dtype = torch.device(device), dtype
        self._tasks: dict[Hashable, Task] = {}

    def predict(self, plan: Plan, blob: bytes, copy: Copy = "raw") -> TrialPredictions | None:
        """Of one checkpoint, as `predict_all`."""
        return self.predict_all([(plan, blob)], copy)[0]

    @torch.no_grad()
    def predict_all(
        self, trials: Sequence[tuple[Plan, bytes]], copy: Copy = "raw"
    ) -> list[TrialPredictions | None]:
        """What each plan's checkpoint predicts.

        None where that cannot be combined with what others predict: the task has no rows, or its
        plug-in gives nothing of the form. Such a trial may still have metrics, see `evaluate`.

        Raises:
            CorruptArtifact: when a checkpoint cannot be read.
            TrainingFailed: when a trial has no such copy.
        """
        by_task: dict[_WithRows, list[_Run]] = {}
        for i, (plan, blob) in enumerate(trials):
            for run_id, saved in checkpoints_by_run(plan, blob):
                task = self._task(plan, run_id)
                if isinstance(task, Supervised | PluginAdapter):
                    run = _Run(i, run_id, *flat_weights(task, saved, copy))
                    by_task.setdefault(task, []).append(run)
        said: _ByRun = {}
        for task, runs in by_task.items():
            size = _together(task)
            for start in range(0, len(runs), size):
                said |= self._said(task, runs[start : start + size])
        return [
            _predicted([said.get((i, run_id)) for run_id in run_ids(plan)])
            for i, (plan, _) in enumerate(trials)
        ]

    def _task(self, plan: Plan, run_id: RunId) -> Task:
        fold = Plan(plan.number, plan.spec, plan.epochs, run_id).fold
        key = (task_key(plan.spec), fold)
        if key not in self._tasks:
            made = task_for(plan.spec, device=self._device, dtype=self._dtype, fold=fold)
            self._tasks[key] = made
        return self._tasks[key]

    def _said(self, task: _WithRows, runs: Sequence[_Run]) -> _ByRun:
        """What each run says; nothing where that cannot be combined."""
        where = (self._device, self._dtype)
        weights = task.layout.views(stack_rows([run.weights.to(*where) for run in runs]))
        buffers = task.buffers.views(torch.stack([run.buffers.to(*where) for run in runs]))
        try:
            validation = Evaluation(*task.predictions(weights, buffers, "validation"), {})
            test = task.evaluate(weights, buffers, "test") if task.has_rows("test") else None
        except TrainingFailed:
            if isinstance(task, PluginAdapter):
                return {}
            raise
        fitted = task.standardization
        metrics = {n: v.tolist() for n, v in test.metrics.items()} if test else {}
        return {
            (run.trial, run.run_id): _Said(
                _outputs(task, "validation", validation, run.run_id, k),
                None if test is None else _outputs(task, "test", test, run.run_id, k),
                {name: values[k] for name, values in metrics.items()},
                task.classes,
                1.0 if fitted is None else fitted.target_scale,
            )
            for k, run in enumerate(runs)
        }


def plan_of(blob: bytes) -> Plan:
    """The plan of a stored trial, as far as predicting needs it: all that the blob tells.

    Raises:
        CorruptArtifact: when the checkpoint cannot be read.
    """
    saved = multi_run.run_checkpoints(blob)[0]
    return Plan(saved.number, saved.spec, saved.spec.training.epochs)


def _together(task: _WithRows) -> int:
    """How many trials to stack; one where nothing is gained: plug-ins, and large maps."""
    if isinstance(task, PluginAdapter) or any(len(entry.shape) > 2 for entry in task.layout):
        return 1
    return max(1, min(STACKED, STACKED_WEIGHTS // task.layout.size))


def _outputs(task: _WithRows, part: HeldOut, made: Evaluation, run_id: RunId, k: int) -> RunOutputs:
    return RunOutputs(run_id, task.rows_of(part), made.outputs[k].cpu(), made.targets.cpu())


def _predicted(runs: Sequence[_Said | None]) -> TrialPredictions | None:
    """One trial's runs as one; none where a run says nothing."""
    found = [run for run in runs if run is not None]
    if len(found) < len(runs):
        return None
    tests = [run.test for run in found if run.test is not None]
    metrics = [run.metrics for run in found]
    return TrialPredictions(
        validation=_as_one([run.validation for run in found]),
        test=_as_one(tests) if tests else None,
        test_metrics=metrics[0] if len(metrics) == 1 else mean_metrics(metrics),
        classes=found[0].classes,
        target_scale=fmean(run.target_scale for run in found),
    )


def _as_one(runs: Sequence[RunOutputs]) -> SplitOutputs:
    """Of a single run its own, else all runs' combined."""
    if len(runs) == 1:
        (run,) = runs
        return SplitOutputs(run.rows, run.outputs.float(), run.targets)
    made, targets = combine(runs)
    rows = torch.from_numpy(np.unique(torch.cat([run.rows for run in runs]).numpy()))
    return SplitOutputs(rows, made.float(), targets)
