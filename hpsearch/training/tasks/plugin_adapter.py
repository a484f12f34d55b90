"""A plug-in's task in the engine: any torch module, trained as the service trains its own models.

K   trials        B   rows of a batch
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from hpsearch.errors import TrainingFailed
from hpsearch.spec.checks.plugin import DEFAULT_OBJECTIVE
from hpsearch.spec.metrics import training_curves
from hpsearch.spec.plugin import PluginTask as PluginSpec
from hpsearch.spec.study import StudySpec
from hpsearch.training.data.standardize import Standardization
from hpsearch.training.data.subset import fraction_rows
from hpsearch.training.models.base import Views
from hpsearch.training.numerics.global_seed import global_seed
from hpsearch.training.numerics.layout import Layout
from hpsearch.training.numerics.seeds import Stream, seed_of, step_keys, torch_generator
from hpsearch.training.schedules import reads_history
from hpsearch.training.tasks.base import (
    Batch,
    BatchResult,
    Evaluation,
    HeldOut,
    TrialEpoch,
    initial_seed,
)
from hpsearch.training.tasks.plugin import PyTree
from hpsearch.training.tasks.plugin_errors import PluginErrors
from hpsearch.training.tasks.plugin_loading import load
from hpsearch.training.tasks.plugin_module import PluginModule
from hpsearch.training.tasks.plugin_pass import Pass
from hpsearch.training.tasks.plugin_rows import PluginRows
from hpsearch.training.tasks.plugin_scores import Scores
from hpsearch.training.tasks.pytree import tree_concatenate, tree_stack

MEASURED_BATCHES = 4
"""Batches whose rows make one forward pass when measuring, which keeps no graph."""


class PluginAdapter:
    """Data and structure come from the plug-in, numbers from the engine."""

    standardization: Standardization | None = None
    classes: tuple[str, ...] = ()

    def __init__(self, spec: StudySpec, *, device: torch.device, dtype: torch.dtype) -> None:
        task = _task_of(spec)
        given, blame = load(task, spec.seed), PluginErrors(task.entry_point)
        parts = {"train": given.train, "validation": given.validation, "test": given.test}
        self._rows = {
            name: PluginRows(data, name, device=device, dtype=dtype, blame=blame)
            for name, data in parts.items()
            if data is not None or name != "test"
        }
        self._seed, self._device, self._blame = spec.seed, device, blame
        self._module = PluginModule(given.model, device=device, dtype=dtype, blame=blame)
        self._scores = Scores(given, blame)
        _check_metrics(spec, self._scores.names)
        _check_decay(spec, self._module.norms)
        used = fraction_rows(
            np.zeros(len(self._rows["train"])), spec.training.train_fraction, spec.seed, False
        )
        self._used = torch.from_numpy(used)
        self.layout = Layout.of(self._module.shapes, self._module.units)
        self.buffers = Layout.of(self._module.buffers)
        self.rows = len(used)
        is_full = spec.optimizer.full_batch
        size = self.rows if is_full else spec.training.batch_size
        self.sizes = tuple(min(size, self.rows - start) for start in range(0, self.rows, size))
        self._measured = MEASURED_BATCHES * spec.training.batch_size
        self._pass = Pass(self._module, self._scores, device)

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
        return self._module.fresh(initial_seed(spec, number, repeat))

    def batches(self, trials: Sequence[TrialEpoch]) -> Iterator[Batch]:
        """Every training row once for each trial; data sets that augment draw as rows do."""
        steps = len(self.sizes)
        own = [t.spec.training.data_order == "per_trial" for t in trials]
        names = [
            (t.epoch, t.number, *t.again) if o else (t.epoch,)
            for t, o in zip(trials, own, strict=True)
        ]
        are_shared = len(set(names)) == 1
        names = names[:1] if are_shared else names
        orders = [self._order(name) for name in names]
        draws = [step_keys(Stream.AUGMENT, self._seed, *name, steps=steps) for name in names]
        keys = [
            step_keys(Stream.DROPOUT, self._seed, t.number, t.epoch, *t.again, steps=steps)
            for t in trials
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
        """The plug-in's loss of a training batch; the model's buffers move on."""
        return self._pass(weights, buffers, batch, total)

    def measure(self, weights: Views, buffers: Views, split: HeldOut) -> dict[str, Tensor]:
        """The plug-in's loss and metrics, trial by trial; none where it gives no such rows."""
        if split not in self._rows:
            return {}
        found = []
        for k in range(len(next(iter(weights.values())))):
            with self._measuring():
                found.append(self._scored(self._passed(weights, buffers, k, split)))
        return self._columns(found, split)

    def has_rows(self, split: HeldOut) -> bool:
        """Whether the plug-in gives any for a part."""
        return split in self._rows

    def rows_of(self, split: HeldOut) -> Tensor:
        """Numbers of a part's rows, [N]; each part counts its own."""
        return torch.arange(len(self._held(split)))

    def predictions(self, weights: Views, buffers: Views, split: HeldOut) -> tuple[Tensor, Tensor]:
        """What an ensemble combines: outputs [K, N, C] and targets [N].

        Raises:
            TrainingFailed: when the plug-in gives no such rows, or nothing that can be combined.
        """
        self._held(split)
        found, targets = [], torch.empty(0)
        for k in range(len(next(iter(weights.values())))):
            with self._measuring():
                made, targets = self._predicted(self._passed(weights, buffers, k, split))
            found.append(made)
        return torch.stack(found), targets

    def evaluate(self, weights: Views, buffers: Views, split: HeldOut) -> Evaluation:
        """Predictions and metrics of one pass.

        Raises:
            TrainingFailed: as `predictions` does.
        """
        self._held(split)
        found, scores, targets = [], [], torch.empty(0)
        for k in range(len(next(iter(weights.values())))):
            with self._measuring():
                passed = tuple(self._passed(weights, buffers, k, split))
                scores.append(self._scored(passed))
                made, targets = self._predicted(passed)
            found.append(made)
        return Evaluation(torch.stack(found), targets, self._columns(scores, split))

    def refresh_statistics(self, weights: Views, buffers: Views) -> None:
        """Sets batch norms' running statistics, in place, to their means over training batches.

        Rows come in the data's order; only batch norms are in training, so nothing is dropped and
        other buffers stay. A batch of a single row does not count. The means are those of
        `torch.optim.swa_utils.update_bn`.
        """
        chosen = torch.split(self._used.sort().values, max(self.sizes[0], 2))
        batches = [rows for rows in chosen if len(rows) > 1]
        for k in range(len(next(iter(weights.values())))):
            own = self._module.own({name: view[k] for name, view in buffers.items()})
            with self._measuring():
                inputs = (
                    self._rows["train"].take(
                        rows, seed=seed_of(Stream.PLUGIN, self._seed, int(rows[0]))
                    )[0]
                    for rows in batches
                )
                self._module.refresh_statistics(
                    {n: view[k] for n, view in weights.items()}, own, inputs
                )
            for name, view in buffers.items():
                view[k].copy_(own[name])

    @contextmanager
    def _measuring(self) -> Iterator[None]:
        """What the plug-in draws while it is measured is the same every time."""
        with global_seed(seed_of(Stream.PLUGIN, self._seed), self._device), torch.no_grad():
            yield

    def _held(self, split: HeldOut) -> PluginRows:
        if split not in self._rows:
            raise self._blame.fault(
                f"give {split} rows to have predictions for them", "got none",
                f"add {split}=... to its PluginTask",
            )  # fmt: skip
        return self._rows[split]

    def _passed(
        self, weights: Views, buffers: Views, k: int, split: HeldOut
    ) -> Iterator[tuple[PyTree, PyTree, int]]:
        """Outputs, targets and count of a part's rows, a few batches at a time; trial k's."""
        rows, own = self._rows[split], {name: view[k] for name, view in weights.items()}
        statistics = self._module.own({name: view[k] for name, view in buffers.items()})
        for chosen in torch.split(torch.arange(len(rows)), self._measured):
            x, y = rows.take(chosen, seed=seed_of(Stream.PLUGIN, self._seed, int(chosen[0])))
            yield self._module(own, statistics, x, training=False), y, len(chosen)

    def _predicted(self, passed: Iterable[tuple[PyTree, PyTree, int]]) -> tuple[Tensor, Tensor]:
        """Outputs [N, C] and targets [N]."""
        parts = [self._scores.predictions(outputs, y, rows) for outputs, y, rows in passed]
        return torch.cat([outputs for outputs, _ in parts]), torch.cat([y for _, y in parts])

    def _columns(self, found: Sequence[Mapping[str, float]], split: HeldOut) -> dict[str, Tensor]:
        """Metrics of all trials under their full names, each [K]."""
        prefix = "val" if split == "validation" else split
        return {
            f"{prefix}_{name}": torch.tensor(
                [scores[name] for scores in found], dtype=torch.float64, device=self._device
            )
            for name in found[0]
        }

    def _scored(self, passed: Iterable[tuple[PyTree, PyTree, int]]) -> dict[str, float]:
        rows, loss, outputs, targets = 0, 0.0, [], []
        for found, y, count in passed:
            loss += float(self._scores.losses(found, y, count).sum(dtype=torch.float64))
            rows += count
            if self._scores.names:
                outputs.append(found)
                targets.append(y)
        scores = {"loss": loss / rows}
        if outputs:
            scores |= self._scores.metrics(tree_concatenate(outputs), tree_concatenate(targets))
        return scores

    def _order(self, name: tuple[int, ...]) -> tuple[Tensor, ...]:
        generator = torch_generator(Stream.ORDER, self._seed, *name)
        order = self._used[torch.randperm(self.rows, generator=generator)]
        return torch.split(order, self.sizes[0])


def _task_of(spec: StudySpec) -> PluginSpec:
    if not isinstance(spec.task, PluginSpec):
        raise TypeError(f"a plug-in's task is needed here, and this one is {spec.task.kind}")
    return spec.task


def _check_metrics(spec: StudySpec, names: Sequence[str]) -> None:
    """Holds the metrics that a study follows to those that there will be."""
    known = ("val_loss", *(f"val_{name}" for name in names), *training_curves())
    followed = {
        **{f"{path}.metric": one.metric for path, one in spec.named_objectives(DEFAULT_OBJECTIVE)},
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
    """Norm layers are known by their names, which a plug-in chooses."""
    if "norm" not in spec.optimizer.no_decay:
        return
    for path in norms:
        if not any(part.startswith("norm") for part in path.split(".")):
            raise TrainingFailed(
                f"optimizer.no_decay norm needs norm layers called norm..., and the plug-in has "
                f"one called {path}; use optimizer.param_groups with weight_decay_scale 0"
            )
