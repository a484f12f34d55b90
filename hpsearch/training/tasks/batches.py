"""An epoch's batches: which rows in which order, augmented how, with which dropout.

T   1 where all trials share their batches, else K        S   batches of an epoch
Everything drawn is named by (study seed, epoch), with the trial number behind it where a trial
has an order of its own; dropout always has it. Trials at the same epoch of a study that shares its
order therefore share their rows, and one gather serves all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hpsearch.spec.augment import Augmentation, Mixup
from hpsearch.spec.language.family import implementation
from hpsearch.training.data.datasets import SplitData
from hpsearch.training.models.base import dropout_rate
from hpsearch.training.models.dropout import Dropout
from hpsearch.training.numerics.counter_rng import CounterRng
from hpsearch.training.numerics.seeds import Stream, step_keys, torch_generator
from hpsearch.training.tasks import mixup
from hpsearch.training.tasks.base import Batch, Name, TrialEpoch, dropout_name, order_name

GATHERED = 2**22
"""Numbers of x put in an epoch's order at a time (32 MiB in float64)."""


class Batches:
    """The training rows of a group, batch by batch.

    Args:
        data: the training rows.
        size: rows of a batch.
    """

    def __init__(self, data: SplitData, size: int) -> None:
        self._data = data
        self.size = size
        rows = len(data.x)
        self.sizes = tuple(min(size, rows - start) for start in range(0, rows, size))
        """Rows of each batch; the last may be smaller."""

    def epoch(self, trials: Sequence[TrialEpoch]) -> Iterator[Batch]:
        """Every row once for each trial."""
        first = trials[0].spec
        seed = first.seed
        names = [order_name(trial) for trial in trials]
        kinds = [trial.spec.training.augment for trial in trials]
        if len(set(names)) == 1 and all(kind == kinds[0] for kind in kinds):
            names, kinds = names[:1], kinds[:1]
        augment = _Augment(kinds, seed, names, self._data.x, len(self.sizes))
        dropout = self._dropout(trials)
        for step, (x, y) in enumerate(self._rows(seed, names)):
            share = None if augment.shares is None else augment.shares[step]
            yield Batch(augment(x, step), y, self.sizes[step], step, dropout, share)

    def _rows(self, seed: int, names: Sequence[Name]) -> Iterator[tuple[Tensor, Tensor]]:
        """Rows and targets in their order, [B, ...] when one name serves all, else [T, B, ...]."""
        orders = {name: self._order(seed, name) for name in set(names)}
        order = torch.stack([orders[name] for name in names]) if len(orders) > 1 else None
        if order is None:
            order = orders[names[0]]
        data, size, axis = self._data, self.size, order.dim() - 1
        per_batch = order.numel() // order.shape[-1] * size * max(data.x[0].numel(), 1)
        for rows in torch.split(order, max(1, GATHERED // per_batch) * size, axis):
            yield from zip(
                torch.split(data.x[rows], size, axis),
                torch.split(data.y[rows], size, axis),
                strict=True,
            )

    def _order(self, seed: int, name: Name) -> Tensor:
        generator = torch_generator(Stream.ORDER, seed, *name)
        order = torch.randperm(len(self._data.x), generator=generator)
        return order.to(self._data.x.device)

    def _dropout(self, trials: Sequence[TrialEpoch]) -> Dropout | None:
        rates = [dropout_rate(trial.spec.supervised.model) for trial in trials]
        if not any(rates):
            return None
        names = [dropout_name(trial) for trial in trials]
        x = self._data.x
        keys = _keys(Stream.DROPOUT, trials[0].spec.seed, names, len(self.sizes), x.device)
        return Dropout(keys, torch.tensor(rates, dtype=x.dtype, device=x.device))


class _Augment:
    """What augmentation does to an epoch's batches."""

    def __init__(
        self,
        kinds: Sequence[Sequence[Augmentation]],
        seed: int,
        names: Sequence[Name],
        x: Tensor,
        steps: int,
    ) -> None:
        columns = list(zip(*kinds, strict=True))
        mixes = [kind for kind in columns if isinstance(kind[0], Mixup)]
        changes = [kind for kind in columns if not isinstance(kind[0], Mixup)]
        self._rank, self._streams = x.dim(), len(names)
        self._changes: list[tuple[Callable[..., Tensor], Any]] = [
            (implementation(type(kind[0])), kind) for kind in changes
        ]
        self._keys = _keys(Stream.AUGMENT, seed, names, steps, x.device) if changes else None
        self.shares: Tensor | None = None
        """λ of every step and stream, [S, T]; none without mixup."""
        if mixes:
            shares: list[NDArray[np.float64]] = [
                mixup.shares(cast(Mixup, kind), seed, *name, steps=steps)
                for kind, name in zip(mixes[-1], names, strict=True)
            ]
            self.shares = torch.from_numpy(np.stack(shares, axis=1)).to(x.device, x.dtype)

    def __call__(self, x: Tensor, step: int) -> Tensor:
        """The batch as it is trained on."""
        if self._keys is None and self.shares is None:
            return x
        if x.dim() == self._rank:
            x = x.expand(self._streams, *x.shape)
        if self._keys is not None:
            rng = CounterRng(self._keys[step])
            for augment, kind in self._changes:
                x = augment(x, kind, rng)
        if self.shares is not None:
            x = mixup.mix(x, self.shares[step])
        return x[0] if len(x) == 1 else x


def _keys(
    stream: Stream, seed: int, names: Sequence[Name], steps: int, device: torch.device
) -> Tensor:
    """A key for each step and stream, [S, T] int32."""
    keys = [step_keys(stream, seed, *name, steps=steps) for name in names]
    return torch.from_numpy(np.stack(keys, axis=1)).to(device)
