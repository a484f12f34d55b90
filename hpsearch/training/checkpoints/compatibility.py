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
    """
    found = _difference(first, other)
    return found if found or of_one_trial else _other_start(first, other)


def _difference(first: Runs, other: Runs) -> str | None:
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


def _other_start(first: Runs, other: Runs) -> str | None:
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
    models = [spec.model for spec in (one, two)]
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


def _shapes(saved: Checkpoint) -> dict[str, list[int]]:
    return {name: list(t.shape) for name, t in (*saved.weights.items(), *saved.buffers.items())}


def _said(shape: list[int] | None) -> str:
    return "missing" if shape is None else str(shape)
