"""What a group is asked to train, and what it reports."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

from hpsearch.spec.study import StudySpec
from hpsearch.spec.training import Training
from hpsearch.training import optimizers
from hpsearch.training.tasks import task_key


@dataclass(frozen=True)
class Plan:
    """One trial: its number in the study, its resolved spec, and its length."""

    number: int
    spec: StudySpec
    epochs: int
    """Its stage's, which may differ from `spec.training.epochs`; schedules are laid over it."""


@dataclass(frozen=True)
class EpochReport:
    """One epoch of one trial."""

    number: int
    epoch: int
    """0-based."""
    metrics: Mapping[str, float]
    diverged: bool
    """The training loss is not finite; the trial has left the group."""
    finished: bool = False
    """No further epoch will come: the last one, divergence, or early stopping."""


def group_key(plan: Plan) -> Hashable:
    """Plans with equal keys may train in one group: same data, structure, batch size and rule."""
    spec = plan.spec
    return (task_key(spec), optimizers.group_key(spec.optimizer), _kept(spec.training))


def _kept(training: Training) -> Hashable:
    """What must be there for all trials of a group or for none; the numbers may differ."""
    clip, stopping = training.clip, training.early_stopping
    return (
        training.accumulate,
        clip is not None and clip.norm is not None,
        clip is not None and clip.value is not None,
        training.max_norm is not None,
        training.ema is not None,
        training.swa is not None,
        stopping is not None and stopping.restore_best,
    )
