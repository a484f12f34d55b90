"""Learning a target from features: data, model and loss brought together."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

import torch
from torch import Tensor

from hpsearch.errors import TrainingFailed
from hpsearch.spec.language.fields import TargetKind
from hpsearch.spec.losses import losses_for
from hpsearch.spec.study import StudySpec
from hpsearch.training.data.class_weights import class_weights
from hpsearch.training.data.datasets import SplitData, dataset_for
from hpsearch.training.data.folds import Fold
from hpsearch.training.data.standardize import Standardization
from hpsearch.training.data.subset import fraction_rows
from hpsearch.training.models import model_for
from hpsearch.training.models.base import Views
from hpsearch.training.models.initializers import initial_weights
from hpsearch.training.models.norm import MOMENTUM
from hpsearch.training.numerics.layout import Layout
from hpsearch.training.numerics.loss_gradients import gradient_of
from hpsearch.training.numerics.losses import loss_named
from hpsearch.training.numerics.metrics import hits, measure, read_outputs
from hpsearch.training.tasks.base import (
    Batch,
    BatchResult,
    Evaluation,
    HeldOut,
    TrialEpoch,
    initial_seed,
)
from hpsearch.training.tasks.batches import Batches
from hpsearch.training.tasks.mixup import partners

MEASURED_ROWS = 1024
"""Rows of one forward pass when measuring; the same for any number of trials."""


class Supervised:
    """Batches come from (study seed, epoch), so trials at the same epoch share them.

    Args:
        spec: resolved, of any trial of the group.
        device: where to compute.
        dtype: precision of weights and data.
        fold: which rows validate; none takes the study's fixed split.

    Raises:
        NotFound: when nothing has the data set's name.
        TrainingFailed: when model and data do not fit, or a part is left without rows.
    """

    def __init__(
        self,
        spec: StudySpec,
        *,
        device: torch.device,
        dtype: torch.dtype,
        fold: Fold | None = None,
    ) -> None:
        data = dataset_for(spec.supervised, spec.seed, device=device, dtype=dtype, fold=fold)
        self._data = data
        self._device, self._dtype = device, dtype
        self._train = _training_rows(data.train, spec, classes=bool(data.classes))
        is_full = spec.optimizer.full_batch
        rows = len(self._train.x)
        self._batches = Batches(self._train, rows if is_full else spec.training.batch_size)
        self._model = model_for(spec.supervised.model, data.features, data.outputs)
        self._target: TargetKind = "classes" if data.classes else "numbers"
        loss = spec.supervised.loss or losses_for(self._target)[0]
        self._loss, self._gradient = loss_named(loss), gradient_of(loss)
        self._positive = _positive(spec, data.classes)
        self.layout = Layout.of(self._model.shapes)
        self.buffers = Layout.of(self._model.buffers)
        self.rows = rows
        self.sizes = self._batches.sizes
        self.standardization: Standardization | None = data.standardization
        self.classes = data.classes
        self.class_type = data.class_type
        self._smoothing: Tensor | None = None
        self._weights: Tensor | None = None

    @staticmethod
    def key(spec: StudySpec) -> Hashable:
        """Data, structure, loss, positive class and batch size.

        Initial weights and dropout rates may differ.
        """
        task, training = spec.supervised, spec.training
        may_differ = {name: None for name in ("init", "dropout") if hasattr(task.model, name)}
        model = task.model.model_copy(update=may_differ)
        augment = tuple((kind.kind, getattr(kind, "axis", None)) for kind in training.augment)
        return (
            spec.seed, task.dataset, task.dataset_version, task.split, task.standardize, task.loss,
            task.positive, model, training.batch_size, training.train_fraction, augment,
        )  # fmt: skip

    def initial_weights(
        self, spec: StudySpec, number: int, repeat: int = 0
    ) -> tuple[Tensor, Tensor]:
        """Weights from (study seed, trial number, repeat); running means 0, variances 1."""
        generator = torch.Generator().manual_seed(initial_seed(spec, number, repeat))
        model = model_for(spec.supervised.model, self._data.features, self._data.outputs)
        weights = initial_weights(model.shapes, model.init, model.activation, generator)
        buffers = torch.zeros(self.buffers.size, dtype=torch.float64)
        for entry in self.buffers:
            buffers[entry.columns] = float(entry.name.endswith(".var"))
        return weights, buffers

    def batches(self, trials: Sequence[TrialEpoch]) -> Iterator[Batch]:
        """Every training row once, the last batch perhaps smaller."""
        self._smoothing = self._column([t.spec.training.label_smoothing for t in trials])
        self._weights = self._class_weights([t.spec for t in trials])
        return self._batches.epoch(trials)

    def loss_and_gradients(
        self, weights: Views, buffers: Views, batch: Batch, total: int
    ) -> BatchResult:
        """The study's loss of a training batch, and rows got right for classes."""
        masks = None if batch.dropout is None else batch.dropout.step(batch.step)
        outputs, backward = self._model.trace(weights, buffers, batch.x, masks)
        y = batch.y
        if batch.share is None:
            losses, grad = self._weighted(outputs, y)
        else:
            losses, grad = self._mixed(outputs, y, batch.share.unsqueeze(1))
        correct = hits(outputs, y) if self.classes else None
        return BatchResult(losses, correct, backward(grad / total))

    def outputs(self, weights: Views, buffers: Views, split: HeldOut) -> Tensor:
        """The model's outputs on a part of the data, [K, N, C]."""
        parts = [
            self._model.forward(weights, buffers, x, None, False)
            for x in torch.split(self._data.split(split).x, MEASURED_ROWS)
        ]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    def targets(self, split: HeldOut) -> Tensor:
        """What the outputs of a part of the data are compared with, [N]."""
        return self._data.split(split).y

    def has_rows(self, split: HeldOut) -> bool:
        """Whether a part of the data holds any."""
        return len(self.targets(split)) > 0

    def rows_of(self, split: HeldOut) -> Tensor:
        """Which rows of the data set a part holds, [N] on the CPU."""
        return torch.from_numpy(self._data.indices._asdict()[split])

    def predictions(self, weights: Views, buffers: Views, split: HeldOut) -> tuple[Tensor, Tensor]:
        """Outputs [K, N, C] and targets [N], numbers in the data's own unit."""
        outputs, y = self.outputs(weights, buffers, split), self.targets(split)
        return (outputs, y) if self.classes else (self.in_data_unit(outputs), self.in_data_unit(y))

    def measure(self, weights: Views, buffers: Views, split: HeldOut) -> dict[str, Tensor]:
        """The plain loss, without class weights or smoothing, and what suits the target.

        The loss of numbers is that of standardised targets; other metrics are in the targets' own
        unit.
        """
        return self.evaluate(weights, buffers, split).metrics

    def evaluate(self, weights: Views, buffers: Views, split: HeldOut) -> Evaluation:
        """Predictions and metrics of one pass."""
        outputs, y = self.outputs(weights, buffers, split), self.targets(split)
        prefix = "val" if split == "validation" else split
        metrics = {f"{prefix}_loss": self._loss(outputs, y, None).mean(-1)}
        if not self.classes:
            outputs, y = self.in_data_unit(outputs), self.in_data_unit(y)
        judged = read_outputs(self._target, outputs, y, self.classes, self._positive)
        metrics |= {f"{prefix}_{n}": values for n, values in measure(judged, self.classes).items()}
        return Evaluation(outputs, y, metrics)

    def refresh_statistics(self, weights: Views, buffers: Views) -> None:
        """Sets running statistics, in place, to their means over the batches of training rows.

        Rows come in the data's order, neither augmented nor dropped from. A batch of a single row
        has no variance and does not count. The means are those of
        `torch.optim.swa_utils.update_bn`.
        """
        size = max(self._batches.size, 2)
        batches = [x for x in torch.split(self._train.x, size) if len(x) > 1]
        totals = {
            name: torch.zeros_like(view, dtype=torch.float64) for name, view in buffers.items()
        }
        for x in batches:
            for view in buffers.values():
                view.zero_()
            self._model.forward(weights, buffers, x, None, True)
            for name, view in buffers.items():
                totals[name] += view
        if batches:
            for name, view in buffers.items():
                view.copy_(totals[name] / (MOMENTUM * len(batches)))

    def in_data_unit(self, values: Tensor) -> Tensor:
        """Standardised targets, or outputs, in the unit of the data."""
        standardization = self._data.standardization
        return values * standardization.target_scale + standardization.target_shift

    def _weighted(self, outputs: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Losses [K, B] and their gradients [K, B, C], times their class's factor."""
        losses, grad = self._gradient(outputs, y, self._smoothing)
        if self._weights is None:
            return losses, grad
        factors = self._weights.gather(1, y.expand(losses.shape))
        return losses * factors, grad * factors.unsqueeze(-1)

    def _mixed(self, outputs: Tensor, y: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """Losses and gradients under mixup, λ [T, 1]: of two classes, or of a number between."""
        mixed_in = partners(y, -1)
        if not self.classes:
            return self._weighted(outputs, share * y + (1 - share) * mixed_in)
        (loss, grad), (loss_, grad_) = self._weighted(outputs, y), self._weighted(outputs, mixed_in)
        wide = share.unsqueeze(-1)
        return share * loss + (1 - share) * loss_, wide * grad + (1 - wide) * grad_

    def _column(self, values: Sequence[float]) -> Tensor | None:
        """A number per trial, [K]; none where all are 0."""
        if not any(values):
            return None
        return torch.tensor(values, dtype=self._dtype, device=self._device)

    def _class_weights(self, specs: Sequence[StudySpec]) -> Tensor | None:
        """Factors [K, C]; none where all are 1."""
        if all(spec.supervised.class_weights == "none" for spec in specs):
            return None
        ones = [1.0] * len(self.classes)
        rows = [
            class_weights(spec.supervised.class_weights, self.classes, self._train.y) or ones
            for spec in specs
        ]
        return torch.tensor(rows, dtype=self._dtype, device=self._device)


def _positive(spec: StudySpec, classes: Sequence[str]) -> str | None:
    """The positive class; none where there are not two, or a study of before has none.

    Raises:
        TrainingFailed: when the spec names one that is not there.
    """
    positive = spec.supervised.positive
    if positive is None or (len(classes) == 2 and positive in classes):
        return positive
    raise TrainingFailed(
        f"task.positive must be one of two classes, got {positive}; the data has "
        f"{', '.join(classes[:20]) or 'none'}"
    )


def _training_rows(data: SplitData, spec: StudySpec, *, classes: bool) -> SplitData:
    """The training rows that `train_fraction` leaves."""
    if spec.training.train_fraction == 1:
        return data
    rows = fraction_rows(data.y.cpu().numpy(), spec.training.train_fraction, spec.seed, classes)
    index = torch.from_numpy(rows).to(data.x.device)
    return SplitData(data.x[index], data.y[index])
