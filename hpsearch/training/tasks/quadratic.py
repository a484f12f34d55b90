"""The task with a closed form: one parameter w, loss (w + 1)², w = 5 at the start.

An epoch is one step, and its metrics are those after the step.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

import torch
from torch import Tensor

from hpsearch.spec.study import StudySpec
from hpsearch.spec.wire.upload import ClassType
from hpsearch.training.data.standardize import Standardization
from hpsearch.training.models.base import Views
from hpsearch.training.numerics.layout import Layout
from hpsearch.training.tasks.base import Batch, BatchResult, HeldOut, TrialEpoch

START = 5.0


class Quadratic:
    """No rows, no model, no randomness."""

    layout = Layout.of({"w": ()})
    buffers = Layout.of({})
    rows = 1
    sizes: tuple[int, ...] = (1,)
    standardization: Standardization | None = None
    classes: tuple[str, ...] = ()
    class_type: ClassType = "text"

    def __init__(self, spec: StudySpec, *, device: torch.device, dtype: torch.dtype) -> None:
        del spec
        self._nothing = torch.empty(0, device=device, dtype=dtype)

    @staticmethod
    def key(spec: StudySpec) -> Hashable:
        """A constant: all trials may share a group."""
        del spec
        return "quadratic"

    def initial_weights(
        self, spec: StudySpec, number: int, repeat: int = 0
    ) -> tuple[Tensor, Tensor]:
        """Starts every trial at w = 5."""
        del spec, number, repeat
        return torch.tensor([START], dtype=torch.float64), torch.empty(0, dtype=torch.float64)

    def batches(self, trials: Sequence[TrialEpoch]) -> Iterator[Batch]:
        """One batch that holds nothing."""
        del trials
        yield Batch(self._nothing, self._nothing, 1)

    def loss_and_gradients(
        self, weights: Views, buffers: Views, batch: Batch, total: int
    ) -> BatchResult:
        """(w + 1)², [K, 1], and 2(w + 1)."""
        del buffers, batch
        distance = weights["w"].detach() + 1
        return BatchResult(distance.square().unsqueeze(1), None, (2 * distance / total,))

    def measure(self, weights: Views, buffers: Views, split: HeldOut) -> dict[str, Tensor]:
        """The loss at w, which is training and validation loss at once, and w itself."""
        del buffers
        loss = (weights["w"] + 1).square()
        if split == "test":
            return {"test_loss": loss}
        return {"train_loss": loss, "val_loss": loss, "w": weights["w"]}
