"""What metrics are computed of: outputs for some rows and their targets, K trials at once.

K   trials        N   rows        C   classes
What several metrics need of the outputs is computed once, at its first use.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class ClassOutputs:
    """Predictions of classes and the true ones."""

    probabilities: Tensor
    """[K, N, C]"""
    predicted: Tensor
    """The class that each row is taken for, [K, N]."""
    targets: Tensor
    """[N]"""
    positive: int | None = None
    """Index of the positive class where there are two and one is meant."""

    @classmethod
    def of_logits(
        cls, outputs: Tensor, targets: Tensor, positive: int | None = None
    ) -> ClassOutputs:
        """From a model's outputs [K, N, C], whose softmax are the probabilities."""
        by_class = outputs.transpose(1, 2).softmax(1)
        return cls(by_class.transpose(1, 2), largest(outputs), targets, positive)

    @property
    def classes(self) -> int:
        """C."""
        return self.probabilities.shape[2]

    @property
    def has_positive(self) -> bool:
        """Whether metrics of one class are those of the positive one."""
        return self.positive is not None and self.classes == 2

    @cached_property
    def is_finite(self) -> Tensor:
        """Whether all of a trial's probabilities are numbers, [K]; where not, metrics are NaN."""
        return self.probabilities.sum((1, 2)).isfinite()  # one that is none makes the sum none

    @cached_property
    def rows_of_class(self) -> Tensor:
        """Rows of each class, [C]."""
        return torch.bincount(self.targets, minlength=self.classes).double()

    @cached_property
    def hits_and_predictions(self) -> tuple[Tensor, Tensor]:
        """Of each class the rows rightly taken for it, and all that are taken for it, [K, C]."""
        trials = len(self.predicted)
        first = torch.arange(trials, device=self.predicted.device).unsqueeze(1) * self.classes
        is_hit = self.predicted == self.targets
        index = self.predicted + first + is_hit * (trials * self.classes)
        counts = torch.bincount(index.flatten(), minlength=2 * trials * self.classes)
        misses, hits = counts.view(2, trials, self.classes).double()
        return hits, misses + hits

    @cached_property
    def ranks_of_classes(self) -> dict[int | None, Ranks]:
        """What `ranks` has computed, by class."""
        return {}

    def ranks(self, index: int | None = None) -> Ranks:
        """How a class's rows rank among all by its probability; of None every class."""
        known = self.ranks_of_classes
        if index not in known:
            columns = slice(None) if index is None else slice(index, index + 1)
            labels = torch.arange(self.classes, device=self.targets.device)[columns]
            scores = self.probabilities.transpose(1, 2)[:, columns].contiguous()
            known[index] = rank(scores, self.targets == labels.unsqueeze(1))
        return known[index]


@dataclass(frozen=True)
class Ranks:
    """How rows of a class stand among all N, ordered by the class's probability.

    P is the largest number of rows that one of the classes has; where a class has fewer, the first
    places are empty and count 0.
    """

    counted: Tensor
    """1 for each place that holds a row of the class, else 0, [C, P]."""
    below: Tensor
    """Rows of lower probability, [K, C, P]."""
    up_to: Tensor
    """Rows of lower or equal probability."""
    class_below: Tensor
    """Rows of the class of lower probability."""
    rows: Tensor
    """Rows of each class, [C]."""


def rank(scores: Tensor, is_class: Tensor) -> Ranks:
    """The ranks of the rows that `is_class` [C, N] names for each class by its scores [K, C, N]."""
    rows = is_class.sum(1)
    most = int(rows.max())
    members = is_class.byte().argsort(dim=1, descending=True, stable=True)[:, :most]
    is_member = torch.arange(most, device=members.device) < rows.unsqueeze(1)
    own = scores.gather(2, members.expand(len(scores), -1, -1))
    own = ascending(own.masked_fill(~is_member, -torch.inf))
    ordered = ascending(scores)
    places = torch.arange(most, device=members.device)
    begins = torch.ones_like(own, dtype=torch.bool)
    begins[..., 1:] = own[..., 1:] != own[..., :-1]
    first_alike = torch.where(begins, places, 0).cummax(-1).values
    empty = (most - rows).unsqueeze(1)
    return Ranks(
        counted=(places >= empty).double(),
        below=torch.searchsorted(ordered, own),
        up_to=torch.searchsorted(ordered, own, right=True),
        class_below=first_alike - empty,
        rows=rows.double(),
    )


@dataclass(frozen=True)
class NumberOutputs:
    """Predictions of numbers and the true ones, in the data's own unit."""

    outputs: Tensor
    """[K, N]"""
    targets: Tensor
    """[N]"""

    @cached_property
    def errors(self) -> Tensor:
        """Predicted less true numbers, [K, N]."""
        return self.outputs - self.targets


def largest(outputs: Tensor) -> Tensor:
    """The class of the largest output, [K, N]; of equal ones the first."""
    return outputs.contiguous().argmax(-1)


def ascending(values: Tensor) -> Tensor:
    """Sorted along the last axis; NumPy's sort is twenty times as fast as torch's on CPUs."""
    if values.device.type == "cpu":
        return torch.from_numpy(np.sort(values.numpy(), axis=-1))
    return values.sort(-1).values
