"""Predictions of a trial's checkpoints, many trials at once: what is stored when a trial ends.

    predictor = Predictor(device=device)            # for one group of trials
    predictions = predictor.predict_all([(plan, blob), ...])

K   trials in one pass        N   rows        C   outputs of a row
Outputs and metrics are those of `evaluation`, from a single pass over each part of the data. Small
trials whose tasks are equal are stacked as rows of the same matrices; how many are changes no bit
on a CPU (see `numerics.alignment`).
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
from hpsearch.training.tasks.plan import Plan, RunId, fold_of, run_ids
from hpsearch.training.tasks.plugin_adapter import PluginAdapter
from hpsearch.training.tasks.supervised import Supervised

STACKED = 32
"""Trials of one pass at most: more gain nothing."""
STACKED_WEIGHTS = 2**20
"""And so many weights, which bounds the memory of what lies between layers."""


@dataclass(frozen=True)
class SplitOutputs:
    """Outputs for a part of the data; all on the CPU."""

    rows: Tensor
    """Which rows of the data set they are, int64 [N], ascending."""
    outputs: Tensor
    """float32 [N, C]: logits for classes, else numbers in the data's own unit."""
    targets: Tensor
    """[N]: int64 for classes, else numbers in the data's own unit."""


@dataclass(frozen=True)
class TrialPredictions:
    """What a trial's checkpoint predicts of the rows that it has not trained on."""

    validation: SplitOutputs
    """Under folds all rows that do not test but the only one of a class, each by the runs that have
    not trained on it."""
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
    """Index of its trial among those to predict."""
    run_id: RunId
    weights: Tensor
    buffers: Tensor


@dataclass(frozen=True)
class _RunPredictions:
    """What one run predicts, and how well."""

    validation: RunOutputs
    test: RunOutputs | None
    metrics: dict[str, float]
    classes: tuple[str, ...]
    target_scale: float


_WithRows: TypeAlias = Supervised | PluginAdapter
_ByRun: TypeAlias = dict[tuple[int, RunId], _RunPredictions]
"""By the index of the trial and the run's id."""


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
        """What one plan's checkpoint predicts; see `predict_all`.

        Raises:
            CorruptArtifact: when the checkpoint cannot be read.
            TrainingFailed: when the trial has no such copy.
        """
        return self.predict_all([(plan, blob)], copy)[0]

    @torch.no_grad()
    def predict_all(
        self, trials: Sequence[tuple[Plan, bytes]], copy: Copy = "raw"
    ) -> list[TrialPredictions | None]:
        """What each plan's checkpoint predicts, in their order.

        None where that cannot be combined with what others predict: the task has no rows, or its
        plug-in gives nothing of the form. Such a trial may still have metrics, see `evaluate`.

        Args:
            trials: plans with their checkpoints.
            copy: which of a checkpoint's weights predict.

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
        by_run: _ByRun = {}
        for task, runs in by_task.items():
            size = _together(task)
            for start in range(0, len(runs), size):
                by_run |= self._predict_runs(task, runs[start : start + size])
        return [
            _trial_predictions([by_run.get((i, run_id)) for run_id in run_ids(plan)])
            for i, (plan, _) in enumerate(trials)
        ]

    def _task(self, plan: Plan, run_id: RunId) -> Task:
        fold = fold_of(plan.spec, run_id)
        key = (task_key(plan.spec), fold)
        if key not in self._tasks:
            self._tasks[key] = task_for(
                plan.spec, device=self._device, dtype=self._dtype, fold=fold
            )
        return self._tasks[key]

    def _predict_runs(self, task: _WithRows, runs: Sequence[_Run]) -> _ByRun:
        """What each run predicts; nothing where that cannot be combined."""
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
        standardization = task.standardization
        metrics = {n: v.tolist() for n, v in test.metrics.items()} if test else {}
        return {
            (run.trial, run.run_id): _RunPredictions(
                _outputs(task, "validation", validation, run.run_id, k),
                None if test is None else _outputs(task, "test", test, run.run_id, k),
                {name: values[k] for name, values in metrics.items()},
                task.classes,
                1.0 if standardization is None else standardization.target_scale,
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


def _outputs(
    task: _WithRows, split: HeldOut, evaluation: Evaluation, run_id: RunId, k: int
) -> RunOutputs:
    return RunOutputs(
        run_id, task.rows_of(split), evaluation.outputs[k].cpu(), evaluation.targets.cpu()
    )


def _trial_predictions(runs: Sequence[_RunPredictions | None]) -> TrialPredictions | None:
    """One trial's runs as one; none where a run predicts nothing that can be combined."""
    complete = [run for run in runs if run is not None]
    if len(complete) < len(runs):
        return None
    tests = [run.test for run in complete if run.test is not None]
    metrics = [run.metrics for run in complete]
    return TrialPredictions(
        validation=_as_one([run.validation for run in complete]),
        test=_as_one(tests) if tests else None,
        test_metrics=metrics[0] if len(metrics) == 1 else mean_metrics(metrics),
        classes=complete[0].classes,
        target_scale=fmean(run.target_scale for run in complete),
    )


def _as_one(runs: Sequence[RunOutputs]) -> SplitOutputs:
    """The outputs of a single run, or those of several combined."""
    if len(runs) == 1:
        (run,) = runs
        return SplitOutputs(run.rows, run.outputs.float(), run.targets)
    outputs, targets = combine(runs)
    rows = torch.from_numpy(np.unique(torch.cat([run.rows for run in runs]).numpy()))
    return SplitOutputs(rows, outputs.float(), targets)
