"""Weights put together: the mean of several checkpoints, a trial's average as its weights.

A checkpoint may be of one run or of several, which are then averaged run by run.

Wortsman et al. 2022, Model soups; Izmailov et al. 2018, Averaging weights leads to wider optima.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from hpsearch.errors import TrainingFailed
from hpsearch.spec.study import StudySpec
from hpsearch.training import bundle
from hpsearch.training.checkpoint import Checkpoint
from hpsearch.training.rewriting import rewritten
from hpsearch.training.standardize import Standardization


def averaged(blobs: Sequence[bytes], weights: Sequence[float] | None = None) -> bytes:
    """A checkpoint with the mean of weights and of running statistics; all else is the first's.

    Sums are in float64, around the first checkpoint's numbers, so that equal checkpoints give
    exactly theirs. Optimizer state, copies and history are left out. Where a model has batch norm
    its statistics should be made anew, see `statistics.with_fresh_statistics`.

    Args:
        blobs: at least one; `unlike` says whether they can be averaged.
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
    first = bundle.members(blobs[0])
    sums = [(_zeros(run.weights), _zeros(run.buffers)) for run in first]
    for blob, share in zip(blobs[1:], shares[1:], strict=True):
        runs = bundle.members(blob)
        if difference := _difference(first, runs):
            raise TrainingFailed(difference)
        for start, run, (weight_sums, buffer_sums) in zip(first, runs, sums, strict=True):
            _add(weight_sums, start.weights, run.weights, share)
            _add(buffer_sums, start.buffers, run.buffers, share)
    total = sum(shares)
    return rewritten(
        blobs[0],
        lambda i, _, saved: _bare(
            replace(
                saved,
                weights=_moved(saved.weights, sums[i][0], total),
                buffers=_moved(saved.buffers, sums[i][1], total),
            )
        ),
    )


def copied(blob: bytes, copy: Literal["ema", "swa"]) -> bytes:
    """A checkpoint with a copy that the trial keeps in the place of its weights, and nothing more.

    Raises:
        CorruptArtifact: when the checkpoint cannot be read.
        TrainingFailed: when the trial keeps no such copy.
    """

    def change(_: int, __: object, saved: Checkpoint) -> Checkpoint:
        if copy not in saved.copies:
            raise TrainingFailed(
                f"the trial must keep {copy} weights to use them, and trial {saved.number} keeps "
                f"none; train with training.{copy}, or average the weights of several epochs"
            )
        found = saved.copies[copy]
        return _bare(replace(saved, weights=found.weights, buffers=found.buffers))

    return rewritten(blob, change)


def slim(blob: bytes) -> bytes:
    """A checkpoint with no more than predicting needs: no optimizer state, copies or history.

    Raises:
        CorruptArtifact: when the checkpoint cannot be read.
    """
    return rewritten(blob, lambda _, __, saved: _bare(saved))


def unlike(blobs: Sequence[bytes], *, of_one_trial: bool = False) -> str | None:
    """Why these checkpoints cannot be averaged, in a sentence; none where they can.

    Of one trial only names and shapes matter. Trials must also start from the same weights, have
    the same model but for dropout, and take rows that are standardised alike: otherwise the mean
    of their weights is no model at all.

    Raises:
        CorruptArtifact: when a checkpoint cannot be read.
    """
    first = bundle.members(blobs[0])
    for blob in blobs[1:]:
        runs = bundle.members(blob)
        if found := _difference(first, runs):
            return found
        if not of_one_trial and (found := _other_start(first, runs)):
            return found
    return None


def _difference(first: Sequence[Checkpoint], other: Sequence[Checkpoint]) -> str | None:
    """How their tensors differ in name or shape."""
    one, two = first[0].number, other[0].number
    if len(first) != len(other):
        return (
            f"checkpoints that are averaged must be of equally many runs, and trial {one} has "
            f"{len(first)} where trial {two} has {len(other)}; average those of one number"
        )
    for run, its in zip(first, other, strict=True):
        shapes, others = _shapes(run), _shapes(its)
        if shapes != others:
            name = next(n for n in sorted(shapes | others) if shapes.get(n) != others.get(n))
            return (
                f"checkpoints that are averaged must have the same tensors, and {name} is "
                f"{_said(shapes.get(name))} in trial {one} but {_said(others.get(name))} in trial "
                f"{two}; average trials whose models have one structure"
            )
    return None


def _other_start(first: Sequence[Checkpoint], other: Sequence[Checkpoint]) -> str | None:
    """Why weights of two trials do not belong together."""
    one, two = first[0], other[0]
    if one.number == two.number and one.spec == two.spec:
        return None
    for saved in (one, two):
        if saved.spec.training.init_seed != "shared":
            return (
                "trials that are averaged must start from the same weights, and trial "
                f"{saved.number} has training.init_seed {saved.spec.training.init_seed}; "
                "set training.init_seed to shared"
            )
    if one.spec.seed != two.spec.seed:
        return (
            f"trials that are averaged must start from the same weights, and trial {one.number} "
            f"is of a study with seed {one.spec.seed}, trial {two.number} of one with seed "
            f"{two.spec.seed}; average trials of one study"
        )
    if name := _other_model(one.spec, two.spec):
        return (
            f"trials that are averaged must have one model, and task.model.{name} differs between "
            f"trial {one.number} and trial {two.number}; give it one value in the study"
        )
    alike = all(
        run.classes == its.classes and _are_equal(run.standardization, its.standardization)
        for run, its in zip(first, other, strict=True)
    )
    if not alike:
        return (
            "trials that are averaged must see rows standardised alike, and those of trial "
            f"{one.number} and trial {two.number} are not; average trials with the same data, "
            "split and task.standardize"
        )
    return None


def _other_model(one: StudySpec, two: StudySpec) -> str | None:
    """The field in which two models of the same shapes differ; none for those of plug-ins."""
    models = [getattr(spec.task, "model", None) for spec in (one, two)]
    mine, theirs = (dict(model) if model is not None else {} for model in models)
    for name in {**mine, **theirs}:
        if name != "dropout" and mine.get(name) != theirs.get(name):
            return str(name)
    return None


def _are_equal(one: Standardization | None, other: Standardization | None) -> bool:
    if one is None or other is None:
        return one is other
    return (
        np.array_equal(one.shift, other.shift)
        and np.array_equal(one.scale, other.scale)
        and (one.target_shift, one.target_scale) == (other.target_shift, other.target_scale)
        and one.encoding == other.encoding
    )


def _bare(saved: Checkpoint) -> Checkpoint:
    return replace(saved, slots={}, copies={}, history={})


def _shapes(saved: Checkpoint) -> dict[str, list[int]]:
    return {name: list(t.shape) for name, t in (*saved.weights.items(), *saved.buffers.items())}


def _said(shape: list[int] | None) -> str:
    return "missing" if shape is None else str(shape)


def _zeros(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: torch.zeros_like(t, dtype=torch.float64) for name, t in tensors.items()}


def _add(
    sums: Mapping[str, Tensor],
    start: Mapping[str, Tensor],
    tensors: Mapping[str, Tensor],
    share: float,
) -> None:
    """Adds share · (tensor − start), in place."""
    for name, tensor in tensors.items():
        sums[name] += share * (tensor.double() - start[name].double())


def _moved(
    start: Mapping[str, Tensor], sums: Mapping[str, Tensor], total: float
) -> dict[str, Tensor]:
    """The start + sum / total, in the precision of the start."""
    return {
        name: (tensor.double() + sums[name] / total).to(tensor.dtype)
        for name, tensor in start.items()
    }
