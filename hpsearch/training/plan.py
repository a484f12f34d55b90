"""What a group is asked to train, and what it reports."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

from hpsearch.spec.study import StudySpec
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


def group_key(plan: Plan) -> Hashable:
    """Plans with equal keys may train in one group: same data, structure, batch size and rule."""
    return (task_key(plan.spec), optimizers.group_key(plan.spec.optimizer))
