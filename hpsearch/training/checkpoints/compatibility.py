"""Whether the weights of checkpoints belong together, so that their mean is a model again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from hpsearch.spec.study import StudySpec
from hpsearch.training.checkpoints.checkpoint import Checkpoint
from hpsearch.training.data.standardize import Standardization

Runs: TypeAlias = Sequence[Checkpoint]
"""A trial's runs, read; mostly one."""


def incompatibility(first: Runs, other: Runs, *, of_one_trial: bool = False) -> str | None:
    """Why the weights of two checkpoints cannot be averaged, in a sentence; none where they can.

    Of one trial only names and shapes matter. Trials must also start from the same weights, have
    the same model but for dropout, and take rows that are standardised alike: otherwise the mean
    of their weights is no model at all.

    Args:
        first: the runs of one checkpoint.
        other: those of another.
        of_one_trial: whether both are of one trial.
    """
    mismatch = _tensor_mismatch(first, other)
    return mismatch if mismatch or of_one_trial else _trial_mismatch(first, other)


def _tensor_mismatch(first: Runs, other: Runs) -> str | None:
    """How their tensors differ in name or shape."""
    trial, other_trial = first[0].number, other[0].number
    if len(first) != len(other):
        return (
            f"checkpoints that are averaged must be of equally many runs, and trial {trial} has "
            f"{len(first)} where trial {other_trial} has {len(other)}; average those of one number"
        )
    for run, other_run in zip(first, other, strict=True):
        shapes, other_shapes = _shapes(run), _shapes(other_run)
        if shapes != other_shapes:
            name = next(
                name
                for name in sorted(shapes | other_shapes)
                if shapes.get(name) != other_shapes.get(name)
            )
            return (
                f"checkpoints that are averaged must have the same tensors, and {name} is "
                f"{_text(shapes.get(name))} in trial {trial} but {_text(other_shapes.get(name))} "
                f"in trial {other_trial}; average trials whose models have one structure"
            )
    return None


def _trial_mismatch(first: Runs, other: Runs) -> str | None:
    """Why weights of two trials do not belong together."""
    first_run, other_run = first[0], other[0]
    if first_run.number == other_run.number and first_run.spec == other_run.spec:
        return None
    for run in (first_run, other_run):
        if run.spec.training.init_seed != "shared":
            return (
                "trials that are averaged must start from the same weights, and trial "
                f"{run.number} has training.init_seed {run.spec.training.init_seed}; "
                "set training.init_seed to shared"
            )
    trials = f"trial {first_run.number} and trial {other_run.number}"
    if first_run.spec.seed != other_run.spec.seed:
        return (
            "trials that are averaged must start from the same weights, and trial "
            f"{first_run.number} is of a study with seed {first_run.spec.seed}, trial "
            f"{other_run.number} of one with seed {other_run.spec.seed}; "
            "average trials of one study"
        )
    if name := _differing_model_field(first_run.spec, other_run.spec):
        return (
            f"trials that are averaged must have one model, and task.model.{name} differs between "
            f"{trials}; give it one value in the study"
        )
    if not all(
        run.classes == run_of_other.classes
        and _are_equal(run.standardization, run_of_other.standardization)
        for run, run_of_other in zip(first, other, strict=True)
    ):
        return (
            f"trials that are averaged must see rows standardised alike, and those of {trials} "
            "are not; average trials with the same data, split and task.standardize"
        )
    return None


def _differing_model_field(first: StudySpec, other: StudySpec) -> str | None:
    """The field in which two models of the same shapes differ; none for those of plug-ins."""
    models = [spec.model for spec in (first, other)]
    fields, other_fields = (dict(model) if model is not None else {} for model in models)
    for name in {**fields, **other_fields}:
        if name != "dropout" and fields.get(name) != other_fields.get(name):
            return str(name)
    return None


def _are_equal(first: Standardization | None, other: Standardization | None) -> bool:
    if first is None or other is None:
        return first is other
    return (
        np.array_equal(first.shift, other.shift)
        and np.array_equal(first.scale, other.scale)
        and (first.target_shift, first.target_scale) == (other.target_shift, other.target_scale)
        and first.encoding == other.encoding
    )


def _shapes(saved: Checkpoint) -> dict[str, list[int]]:
    return {name: list(t.shape) for name, t in (*saved.weights.items(), *saved.buffers.items())}


def _text(shape: list[int] | None) -> str:
    return "missing" if shape is None else str(shape)
