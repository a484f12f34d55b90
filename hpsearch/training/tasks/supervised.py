"""Learning a target from features: data, model and loss brought together."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

import torch
from torch import Tensor

from hpsearch.spec.study import StudySpec
from hpsearch.training.datasets import DataSet, dataset_for
from hpsearch.training.dropout import Dropout
from hpsearch.training.initial import initial
from hpsearch.training.layout import Layout
from hpsearch.training.losses import LOSSES
from hpsearch.training.metrics import hits
from hpsearch.training.models import model_for
from hpsearch.training.models.base import Views, dropout_rate
from hpsearch.training.seeds import Stream, step_keys, torch_generator
from hpsearch.training.standardize import Standardization
from hpsearch.training.tasks.base import Batch, Held, Outcome, TrialEpoch

MEASURED_ROWS = 1024
"""Rows of one forward pass when measuring; the same for any number of trials."""
GATHERED = 2**22
"""Numbers of x put in an epoch's order at a time (32 MiB in float64)."""


class Supervised:
    """Batches come from (study seed, epoch), so trials at the same epoch share them."""

    def __init__(self, spec: StudySpec, *, device: torch.device, dtype: torch.dtype) -> None:
        data = dataset_for(spec.task, spec.seed, device=device, dtype=dtype)
        self._seed = spec.seed
        self._data: DataSet = data
        self._device, self._dtype = device, dtype
        self._batch_size = spec.training.batch_size
        self._model = model_for(spec.task.model, data.features, data.outputs)
        self._loss = LOSSES[spec.task.loss or ("cross_entropy" if data.classes else "mse")]
        self.layout = Layout.of(self._model.shapes)
        self.buffers = Layout.of(self._model.buffers)
        self.rows = len(data.train.x)
        self.steps = -(-self.rows // self._batch_size)
        self.standardization: Standardization | None = data.standardization
        self.classes = data.classes

    @staticmethod
    def key(spec: StudySpec) -> Hashable:
        """Data, structure, loss and batch size; initial weights and dropout rates may differ."""
        task = spec.task
        alike = {name: None for name in ("init", "dropout") if hasattr(task.model, name)}
        model = task.model.model_copy(update=alike)
        return (
            spec.seed, task.dataset, task.split, task.standardize, task.loss, model,
            spec.training.batch_size,
        )  # fmt: skip

    def initial(self, spec: StudySpec, number: int) -> tuple[Tensor, Tensor]:
        """Weights from (study seed, trial number); running means 0, variances 1."""
        generator = torch_generator(Stream.INIT, spec.seed, number)
        model = model_for(spec.task.model, self._data.features, self._data.outputs)
        weights = initial(model.shapes, model.init, model.activation, generator)
        buffers = torch.zeros(self.buffers.size, dtype=torch.float64)
        for entry in self.buffers:
            buffers[entry.columns] = float(entry.name.endswith(".var"))
        return weights, buffers

    def batches(self, trials: Sequence[TrialEpoch]) -> Iterator[Batch]:
        """Every training row once, the last batch perhaps smaller."""
        dropouts = self._dropouts(trials)
        part = self._data.train
        orders = {epoch: self._order(epoch) for epoch in {trial.epoch for trial in trials}}
        order = orders[trials[0].epoch]
        if len(orders) > 1:
            order = torch.stack([orders[trial.epoch] for trial in trials])
        size = self._batch_size
        row_numbers = order.numel() // self.rows * max(part.x[0].numel(), 1)
        block = max(1, GATHERED // (row_numbers * size)) * size
        step = 0
        for chosen in torch.split(order, block, -1):
            x, y = part.x[chosen], part.y[chosen]
            along = chosen.dim() - 1
            for xs, ys in zip(
                torch.split(x, size, along), torch.split(y, size, along), strict=True
            ):
                yield Batch(xs, ys, ys.shape[-1], dropouts[step] if dropouts else None)
                step += 1

    def losses(self, weights: Views, buffers: Views, batch: Batch) -> Outcome:
        """The study's loss of a training batch, and rows got right for classes."""
        outputs = self._model.forward(weights, buffers, batch.x, batch.dropout, True)
        right = hits(outputs.detach(), batch.y) if self.classes else None
        return Outcome(self._loss(outputs, batch.y), right)

    def outputs(self, weights: Views, buffers: Views, split: Held) -> Tensor:
        """The model's outputs on a part of the data, [K, N, C]."""
        parts = [
            self._model.forward(weights, buffers, x, None, False)
            for x in torch.split(self._data.part(split).x, MEASURED_ROWS)
        ]
        return torch.cat(parts, dim=1)

    def targets(self, split: Held) -> Tensor:
        """What the outputs of a part of the data are compared with, [N]."""
        return self._data.part(split).y

    def measure(self, weights: Views, buffers: Views, split: Held) -> dict[str, Tensor]:
        """Mean loss, and for classes the share of rows got right."""
        outputs, y = self.outputs(weights, buffers, split), self.targets(split)
        prefix = "val" if split == "validation" else split
        metrics = {f"{prefix}_loss": self._loss(outputs, y).mean(-1)}
        if self.classes:
            metrics[f"{prefix}_accuracy"] = hits(outputs, y).double() / len(y)
        return metrics

    def _order(self, epoch: int) -> Tensor:
        generator = torch_generator(Stream.ORDER, self._seed, epoch)
        return torch.randperm(self.rows, generator=generator).to(self._device)

    def _dropouts(self, trials: Sequence[TrialEpoch]) -> list[Dropout] | None:
        rates = [dropout_rate(trial.spec.task.model) for trial in trials]
        if not any(rates):
            return None
        keys = torch.stack(
            [
                torch.from_numpy(
                    step_keys(
                        Stream.DROPOUT, trial.spec.seed, trial.number, trial.epoch, steps=self.steps
                    )
                )
                for trial in trials
            ],
            dim=1,
        ).to(self._device)
        scale = torch.tensor(rates, dtype=self._dtype, device=self._device)
        return [Dropout(step, scale) for step in keys]
