"""What a task is to a group: it makes batches, turns them into losses, and measures weights.

K   trials        B   rows of a batch
A task holds data and model structure, which all trials of a group share; what differs from trial
to trial (rates, seeds) it reads off each trial's spec at the start of an epoch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from torch import Tensor

from hpsearch.spec.study import StudySpec
from hpsearch.spec.wire.upload import ClassType
from hpsearch.training.data.standardize import Standardization
from hpsearch.training.models.base import Views
from hpsearch.training.models.dropout import Dropout
from hpsearch.training.numerics.layout import Layout
from hpsearch.training.numerics.seeds import Stream, seed_of

HeldOut = Literal["validation", "test"]
"""The parts of the data that no step sees."""

Name = tuple[int, ...]
"""Of random numbers, behind their stream and the study's seed."""


@dataclass(frozen=True)
class TrialEpoch:
    """One trial at the start of one epoch (0-based)."""

    spec: StudySpec
    number: int
    epoch: int
    repeat: int = 0

    @property
    def repeat_name(self) -> tuple[int, ...]:
        """What a repeat adds to the names of its random numbers: nothing for the first."""
        return (self.repeat,) if self.repeat else ()


def order_name(trial: TrialEpoch) -> Name:
    """What the order of a trial's rows in an epoch is named by; see `Stream.ORDER`."""
    if trial.spec.training.data_order == "per_trial":
        return (trial.epoch, trial.number, *trial.repeat_name)
    return (trial.epoch,)


def dropout_name(trial: TrialEpoch) -> Name:
    """What a trial's dropout in an epoch is named by; see `Stream.DROPOUT`."""
    return (trial.number, trial.epoch, *trial.repeat_name)


def initial_seed(spec: StudySpec, number: int, repeat: int) -> int:
    """The seed of a trial's first weights: its own, or shared by all trials of its study."""
    is_shared = spec.training.init_seed == "shared"
    if is_shared and repeat:
        return seed_of(Stream.SHARED_INIT, spec.seed, repeat)
    name = () if is_shared else (number,)
    return seed_of(Stream.INIT, spec.seed, *name, *((repeat,) if repeat else ()))


class Batch(NamedTuple):
    """What one step sees: rows shared by all trials, x [B, ...], or each its own, [K, B, ...]."""

    x: Tensor
    y: Tensor
    rows: int
    """B."""
    step: int = 0
    """Of the epoch, 0-based."""
    dropout: Dropout | None = None
    """The epoch's."""
    share: Tensor | None = None
    """λ of mixup, [T] with T = 1 where trials share it."""


class BatchResult(NamedTuple):
    """Losses and gradients of a batch, detached from autograd."""

    losses: Tensor
    """[K, B], as trained."""
    hits: Tensor | None
    """Rows that each trial got right, [K]."""
    gradients: Sequence[Tensor]
    """Of the sum of the losses over `total` rows, in the order of the weights, [K, *shape] each."""


class Evaluation(NamedTuple):
    """Predictions and metrics of weights on a part of the data."""

    outputs: Tensor
    """[K, N, C], numbers in the data's own unit."""
    targets: Tensor
    """[N]"""
    metrics: dict[str, Tensor]
    """Those of `Task.measure`, each [K]."""


class Task(Protocol):
    """What is trained: data, model structure and loss of a group's trials."""

    layout: Layout
    """Names and shapes of the weights."""
    buffers: Layout
    """Names and shapes of running statistics."""
    rows: int
    """Training rows of an epoch."""
    sizes: tuple[int, ...]
    """Rows of each batch of an epoch."""
    standardization: Standardization | None
    """Travels with checkpoints, so that weights can be used on fresh rows."""
    classes: tuple[str, ...]
    """Names in the order of the outputs; none for numbers."""
    class_type: ClassType
    """Of the values that the names stand for."""

    def initial_weights(
        self, spec: StudySpec, number: int, repeat: int = 0
    ) -> tuple[Tensor, Tensor]:
        """A trial's first weights [P] and running statistics [Q], float64 on the CPU."""
        ...

    def batches(self, trials: Sequence[TrialEpoch]) -> Iterator[Batch]:
        """The epoch's batches for trials that may be at different epochs."""
        ...

    def loss_and_gradients(
        self, weights: Views, buffers: Views, batch: Batch, total: int
    ) -> BatchResult:
        """A batch's losses, and the gradients of their sum divided by `total`.

        Weights require gradients; the task may compute them by hand or by autograd.
        """
        ...

    def measure(self, weights: Views, buffers: Views, split: HeldOut) -> dict[str, Tensor]:
        """Metrics of weights as they stand, each [K], under their full names (`val_loss`)."""
        ...
