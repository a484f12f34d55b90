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
    batch norm its statistics should be computed anew, see
    `evaluation.batch_norm`.

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
        """Why a checkpoint cannot be added, in a sentence; none where it can.

        Args:
            runs: those of the checkpoint, read.
            of_one_trial: whether it is of the trial of the first checkpoint.
        """
        return incompatibility(self._runs, runs, of_one_trial=of_one_trial)

    def with_checkpoint(self, runs: Runs, share: float = 1.0) -> Soup:
        """A soup with one more checkpoint; this one stays as it is.

        Args:
            runs: those of the checkpoint, read.
            share: its weight in the mean.

        Raises:
            TrainingFailed: when its model is another.
        """
        if difference := self.incompatibility(runs, of_one_trial=True):
            raise TrainingFailed(difference)
        soup = copy(self)
        soup._sums = [
            (
                _added(weights, start.weights, run.weights, share),
                _added(buffers, start.buffers, run.buffers, share),
            )
            for start, run, (weights, buffers) in zip(self._runs, runs, self._sums, strict=True)
        ]
        soup._total, soup.count = self._total + share, self.count + 1
        return soup

    def checkpoint(self) -> bytes:
        """The mean as a checkpoint; all else is the first's, without optimizer, copies, history."""
        return rewrite(
            self.first,
            lambda i, _, saved: _without_training_state(
                replace(
                    saved,
                    weights=_moved(saved.weights, self._sums[i][0], self._total),
                    buffers=_moved(saved.buffers, self._sums[i][1], self._total),
                )
            ),
        )


def average(blobs: Sequence[bytes], weights: Sequence[float] | None = None) -> bytes:
    """The checkpoint of the mean of several checkpoints' weights.

    Args:
        blobs: at least one; `compatibility.incompatibility` says whether two can be.
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
        soup = soup.with_checkpoint(multi_run.run_checkpoints(blob), share)
    return soup.checkpoint()


def with_copy_as_weights(blob: bytes, name: Literal["ema", "swa"]) -> bytes:
    """A checkpoint whose weights are one of the trial's copies; without any training state.

    Args:
        blob: the trial's checkpoint.
        name: of the copy.

    Raises:
        CorruptArtifact: when the checkpoint cannot be read.
        TrainingFailed: when the trial keeps no such copy.
    """

    def change(_: int, __: object, saved: Checkpoint) -> Checkpoint:
        if name not in saved.copies:
            raise TrainingFailed(
                f"the trial must keep {name} weights to use them, and trial {saved.number} keeps "
                f"none; train with training.{name}, or average the weights of several epochs"
            )
        copy = saved.copies[name]
        return _without_training_state(replace(saved, weights=copy.weights, buffers=copy.buffers))

    return rewrite(blob, change)


def slim(blob: bytes) -> bytes:
    """A checkpoint with what predicting needs alone: no optimizer state, copies or history.

    Raises:
        CorruptArtifact: when the checkpoint cannot be read.
    """
    return rewrite(blob, lambda _, __, saved: _without_training_state(saved))


def _without_training_state(saved: Checkpoint) -> Checkpoint:
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
