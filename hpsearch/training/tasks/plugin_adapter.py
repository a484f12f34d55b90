"""A plug-in's task as a task of the engine: any torch module, trained as the service's own models.

K   trials        B   rows of a batch
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from hpsearch.errors import TrainingFailed
from hpsearch.spec.checks.plugin import DEFAULT_OBJECTIVE
from hpsearch.spec.metrics import training_curves
from hpsearch.spec.plugin import PluginTask as PluginSpec
from hpsearch.spec.study import StudySpec
from hpsearch.spec.wire.upload import ClassType
from hpsearch.training.data.standardize import Standardization
from hpsearch.training.data.subset import fraction_rows
from hpsearch.training.models.base import Views
from hpsearch.training.numerics.layout import Layout
from hpsearch.training.numerics.seeds import Stream, step_keys, torch_generator
from hpsearch.training.schedules import reads_history
from hpsearch.training.tasks.base import (
    Batch,
    BatchResult,
    Evaluation,
    HeldOut,
    TrialEpoch,
    dropout_name,
    initial_seed,
    order_name,
)
from hpsearch.training.tasks.plugin_errors import PluginErrors
from hpsearch.training.tasks.plugin_evaluation import PluginEvaluator
from hpsearch.training.tasks.plugin_loading import load
from hpsearch.training.tasks.plugin_module import PluginModule
from hpsearch.training.tasks.plugin_pass import Pass
from hpsearch.training.tasks.plugin_rows import PluginRows
from hpsearch.training.tasks.plugin_scores import Scores
from hpsearch.training.tasks.pytree import tree_stack


class PluginAdapter:
    """Data and structure come from the plug-in, weights from the engine.

    Args:
        spec: resolved; its task names the plug-in.
        device: where to compute.
        dtype: precision of weights and data.

    Raises:
        TrainingFailed: when the plug-in is not installed, breaks a rule, or lacks a metric that
            the study follows.
    """

    standardization: Standardization | None = None
    classes: tuple[str, ...] = ()
    class_type: ClassType = "text"

    def __init__(self, spec: StudySpec, *, device: torch.device, dtype: torch.dtype) -> None:
        task = _task_of(spec)
        plugin, errors = load(task, spec.seed), PluginErrors(task.entry_point)
        parts = {"train": plugin.train, "validation": plugin.validation, "test": plugin.test}
        self._rows = {
            name: PluginRows(data, name, device=device, dtype=dtype, errors=errors)
            for name, data in parts.items()
            if data is not None or name != "test"
        }
        self._seed, self._errors = spec.seed, errors
        self._module = PluginModule(plugin.model, device=device, dtype=dtype, errors=errors)
        scores = Scores(plugin, errors)
        _check_metrics(spec, scores.names)
        _check_decay(spec, self._module.norms)
        rows = fraction_rows(
            np.zeros(len(self._rows["train"])), spec.training.train_fraction, spec.seed, False
        )
        self._training_rows = torch.from_numpy(rows)
        self.layout = Layout.of(self._module.shapes, self._module.units)
        self.buffers = Layout.of(self._module.buffers)
        self.rows = len(rows)
        is_full = spec.optimizer.full_batch
        size = self.rows if is_full else spec.training.batch_size
        self.sizes = tuple(min(size, self.rows - start) for start in range(0, self.rows, size))
        self._pass = Pass(self._module, scores, device)
        self._evaluator = PluginEvaluator(
            self._module,
            scores,
            self._rows,
            seed=spec.seed,
            device=device,
            batch_size=spec.training.batch_size,
        )

    @staticmethod
    def key(spec: StudySpec) -> Hashable:
        """All that the plug-in is given, and what the batches are cut from."""
        task, training = _task_of(spec), spec.training
        params = json.dumps(task.params, sort_keys=True)
        return (
            spec.seed, task.entry_point, params, training.batch_size, training.train_fraction
        )  # fmt: skip

    def initial_weights(
        self, spec: StudySpec, number: int, repeat: int = 0
    ) -> tuple[Tensor, Tensor]:
        """What the plug-in's model starts from, drawn from (study seed, trial number, repeat)."""
        return self._module.initial_weights(initial_seed(spec, number, repeat))

    def batches(self, trials: Sequence[TrialEpoch]) -> Iterator[Batch]:
        """Every training row once for each trial; data sets that augment draw as rows do."""
        steps = len(self.sizes)
        names = [order_name(trial) for trial in trials]
        are_shared = len(set(names)) == 1
        names = names[:1] if are_shared else names
        orders = [self._order(name) for name in names]
        draws = [step_keys(Stream.AUGMENT, self._seed, *name, steps=steps) for name in names]
        keys = [
            step_keys(Stream.DROPOUT, self._seed, *dropout_name(t), steps=steps) for t in trials
        ]
        for step, rows in enumerate(self.sizes):
            pairs = [
                self._rows["train"].take(order[step], seed=int(draw[step]) % 2**32)
                for order, draw in zip(orders, draws, strict=True)
            ]
            x, y = pairs[0] if are_shared else tree_stack(pairs)
            self._pass.begin([int(key[step]) % 2**32 for key in keys], are_shared=are_shared)
            yield Batch(x, y, rows, step)

    def loss_and_gradients(
        self, weights: Views, buffers: Views, batch: Batch, total: int
    ) -> BatchResult:
        """The plug-in's loss of a training batch; the model's buffers change in place."""
        return self._pass(weights, buffers, batch, total)

    def measure(self, weights: Views, buffers: Views, split: HeldOut) -> dict[str, Tensor]:
        """The plug-in's loss and metrics, each [K]; none where it gives no such rows."""
        if split not in self._rows:
            return {}
        return self._evaluator.metrics(weights, buffers, split)

    def has_rows(self, split: HeldOut) -> bool:
        """Whether the plug-in gives any for a part."""
        return split in self._rows

    def rows_of(self, split: HeldOut) -> Tensor:
        """Numbers of a part's rows, [N]; each part counts its own.

        Raises:
            TrainingFailed: when the plug-in gives no such rows.
        """
        self._require_rows(split)
        return torch.arange(len(self._rows[split]))

    def predictions(self, weights: Views, buffers: Views, split: HeldOut) -> tuple[Tensor, Tensor]:
        """What an ensemble combines: outputs [K, N, C] and targets [N].

        Raises:
            TrainingFailed: when the plug-in gives no such rows, or nothing that can be combined.
        """
        self._require_rows(split)
        return self._evaluator.predictions(weights, buffers, split)

    def evaluate(self, weights: Views, buffers: Views, split: HeldOut) -> Evaluation:
        """Predictions and metrics of one pass.

        Raises:
            TrainingFailed: as `predictions` does.
        """
        self._require_rows(split)
        return self._evaluator.evaluate(weights, buffers, split)

    def refresh_statistics(self, weights: Views, buffers: Views) -> None:
        """Sets batch norms' running statistics, in place, to their means over training batches.

        Rows come in the data's order; only batch norms are in training, so nothing is dropped and
        other buffers stay. A batch of a single row does not count. The means are those of
        `torch.optim.swa_utils.update_bn`.
        """
        batches = torch.split(self._training_rows.sort().values, max(self.sizes[0], 2))
        self._evaluator.refresh_statistics(
            weights, buffers, [rows for rows in batches if len(rows) > 1]
        )

    def _require_rows(self, split: HeldOut) -> None:
        if split not in self._rows:
            raise self._errors.violation(
                f"give {split} rows to have predictions for them", "got none",
                f"add {split}=... to its PluginTask",
            )  # fmt: skip

    def _order(self, name: tuple[int, ...]) -> tuple[Tensor, ...]:
        generator = torch_generator(Stream.ORDER, self._seed, *name)
        order = self._training_rows[torch.randperm(self.rows, generator=generator)]
        return torch.split(order, self.sizes[0])


def _task_of(spec: StudySpec) -> PluginSpec:
    if not isinstance(spec.task, PluginSpec):
        raise TypeError(f"a plug-in's task is needed here, and this one is {spec.task.kind}")
    return spec.task


def _check_metrics(spec: StudySpec, names: Sequence[str]) -> None:
    """Refuses a study that follows a metric which the plug-in does not give."""
    known = ("val_loss", *(f"val_{name}" for name in names), *training_curves())
    followed = {
        **{
            f"{path}.metric": objective.metric
            for path, objective in spec.named_objectives(DEFAULT_OBJECTIVE)
        },
        "schedule.metric": reads_history(spec.schedule),
        "optimizer.momentum_schedule.metric": spec.optimizer.momentum_schedule
        and reads_history(spec.optimizer.momentum_schedule),
    }
    for path, metric in followed.items():
        if metric and metric not in known:
            raise TrainingFailed(
                f"{path} must be one of {', '.join(known)} for this plug-in, got {metric}"
            )


def _check_decay(spec: StudySpec, norms: Sequence[str]) -> None:
    """Refuses norm layers that `no_decay`, which goes by names, would not know for such."""
    if "norm" not in spec.optimizer.no_decay:
        return
    for path in norms:
        if not any(part.startswith("norm") for part in path.split(".")):
            raise TrainingFailed(
                f"optimizer.no_decay norm needs norm layers called norm..., and the plug-in has "
                f"one called {path}; use optimizer.param_groups with weight_decay_scale 0"
            )
