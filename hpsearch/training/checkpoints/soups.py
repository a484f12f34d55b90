"""Weights put together: the mean of several checkpoints, a trial's average as its weights.

A checkpoint may be of one run or of several, which are then averaged run by run.

Wortsman et al. 2022, Model soups; Izmailov et al. 2018, Averaging weights leads to wider optima.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from hpsearch.errors import TrainingFailed
from hpsearch.training.checkpoints import multi_run
from hpsearch.training.checkpoints.checkpoint import Checkpoint
from hpsearch.training.checkpoints.compatibility import Runs, incompatibility
from hpsearch.training.checkpoints.rewrite import rewrite


class Soup:
    """A mean of weights and of running statistics, to which checkpoints are added one by one.

    It holds the first checkpoint and sums, however many are in it. Sums are in float64, around the
    first checkpoint's numbers, so that equal checkpoints give exactly theirs. Where a model has
    batch norm its statistics should be made anew, see `statistics.with_fresh_statistics`.

    Args:
        blob: the first checkpoint.
        share: its weight in the mean.

    Raises:
        CorruptArtifact: when it cannot be read.
    """

    def __init__(self, blob: bytes, share: float = 1.0) -> None:
        self.first = blob
        """The checkpoint that it began with."""
        self._runs = multi_run.run_checkpoints(blob)
        self._sums = [(_zeros(run.weights), _zeros(run.buffers)) for run in self._runs]
        self._total = share
        self.count = 1
        """Checkpoints in it."""

    def incompatibility(self, runs: Runs, *, of_one_trial: bool = False) -> str | None:
        """Why a checkpoint that was read cannot be added, in a sentence; none where it can."""
        return incompatibility(self._runs, runs, of_one_trial=of_one_trial)

    def with_(self, runs: Runs, share: float = 1.0) -> Soup:
        """A soup with one more checkpoint, which was read; this one stays as it is.

        Raises:
            TrainingFailed: when its model is another.
        """
        if difference := self.incompatibility(runs, of_one_trial=True):
            raise TrainingFailed(difference)
        made = copy(self)
        made._sums = [
            (
                _added(weights, start.weights, run.weights, share),
                _added(buffers, start.buffers, run.buffers, share),
            )
            for start, run, (weights, buffers) in zip(self._runs, runs, self._sums, strict=True)
        ]
        made._total, made.count = self._total + share, self.count + 1
        return made

    def checkpoint(self) -> bytes:
        """The mean as a checkpoint; all else is the first's, without optimizer, copies, history."""
        return rewrite(
            self.first,
            lambda i, _, saved: _bare(
                replace(
                    saved,
                    weights=_moved(saved.weights, self._sums[i][0], self._total),
                    buffers=_moved(saved.buffers, self._sums[i][1], self._total),
                )
            ),
        )


def average(blobs: Sequence[bytes], weights: Sequence[float] | None = None) -> bytes:
    """The checkpoint of the soup of several.

    Args:
        blobs: at least one; `likeness.unlike` says whether two can be averaged.
        weights: of the mean, one for each; none counts all alike.

    Raises:
        CorruptArtifact: when a checkpoint cannot be read.
        TrainingFailed: when their models differ.
    """
    shares = [1.0] * len(blobs) if weights is None else list(weights)
    if not blobs or len(shares) != len(blobs) or not sum(shares) > 0:
        raise ValueError(
            f"a mean needs checkpoints and as many weights, with a sum above 0, got {len(blobs)} "
            f"and {shares}; leave weights out to count all alike"
        )
    soup = Soup(blobs[0], shares[0])
    for blob, share in zip(blobs[1:], shares[1:], strict=True):
        soup = soup.with_(multi_run.run_checkpoints(blob), share)
    return soup.checkpoint()


def with_copy_as_weights(blob: bytes, which: Literal["ema", "swa"]) -> bytes:
    """A checkpoint with a copy that the trial keeps in the place of its weights, and nothing more.

    Raises:
        CorruptArtifact: when the checkpoint cannot be read.
        TrainingFailed: when the trial keeps no such copy.
    """

    def change(_: int, __: object, saved: Checkpoint) -> Checkpoint:
        if which not in saved.copies:
            raise TrainingFailed(
                f"the trial must keep {which} weights to use them, and trial {saved.number} keeps "
                f"none; train with training.{which}, or average the weights of several epochs"
            )
        found = saved.copies[which]
        return _bare(replace(saved, weights=found.weights, buffers=found.buffers))

    return rewrite(blob, change)


def slim(blob: bytes) -> bytes:
    """A checkpoint with no more than predicting needs: no optimizer state, copies or history.

    Raises:
        CorruptArtifact: when the checkpoint cannot be read.
    """
    return rewrite(blob, lambda _, __, saved: _bare(saved))


def _bare(saved: Checkpoint) -> Checkpoint:
    return replace(saved, optimizer_state={}, copies={}, history={})


def _zeros(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: torch.zeros_like(t, dtype=torch.float64) for name, t in tensors.items()}


def _added(
    sums: Mapping[str, Tensor],
    start: Mapping[str, Tensor],
    tensors: Mapping[str, Tensor],
    share: float,
) -> dict[str, Tensor]:
    """The sums + share · (tensor − start)."""
    return {
        name: sums[name] + share * (tensor.double() - start[name].double())
        for name, tensor in tensors.items()
    }


def _moved(
    start: Mapping[str, Tensor], sums: Mapping[str, Tensor], total: float
) -> dict[str, Tensor]:
    """The start + sum / total, in the precision of the start."""
    return {
        name: (tensor.double() + sums[name] / total).to(tensor.dtype)
        for name, tensor in start.items()
    }
