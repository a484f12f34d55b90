"""What a group is asked to train, and what it reports."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from hpsearch.spec.study import StudySpec
from hpsearch.spec.training import Training
from hpsearch.training import optimizers
from hpsearch.training.data.folds import Fold
from hpsearch.training.tasks import task_key


class RunId(NamedTuple):
    """One of a trial's runs, where folds or repeats make it several."""

    trial: int
    """The trial's number in the study."""
    fold: int | None = None
    """The part of the rows that it validates on; none: the study's fixed split."""
    repeat: int = 0


@dataclass(frozen=True)
class Plan:
    """One trial, or one run of it: its number, its resolved spec, and its length."""

    number: int
    """Names it in its group and its reports: the trial's in the study, unless `run` is set."""
    spec: StudySpec
    epochs: int
    """Its stage's, which may differ from `spec.training.epochs`; schedules are laid over it."""
    run: RunId | None = None

    @property
    def run_id(self) -> RunId:
        """Which run of which trial it is: what its random numbers are named by."""
        return self.run or RunId(self.number)

    @property
    def fold(self) -> Fold | None:
        """The rows that it validates on; none: the study's fixed split."""
        return fold_of(self.spec, self.run_id)


def fold_of(spec: StudySpec, run_id: RunId) -> Fold | None:
    """The rows that a run of a trial validates on; none: the study's fixed split."""
    return None if run_id.fold is None else Fold(run_id.fold, spec.training.folds)


def run_ids(plan: Plan) -> tuple[RunId, ...]:
    """All runs of a trial, fold by fold; one of a trial without folds and repeats."""
    training = plan.spec.training
    return tuple(
        RunId(plan.number, fold, repeat)
        for fold in range(training.folds) or (None,)
        for repeat in range(training.repeats)
    )


@dataclass(frozen=True)
class EpochReport:
    """Metrics of one epoch of one trial."""

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
    return (
        task_key(spec),
        optimizers.group_key(spec.optimizer),
        _structure(spec.training),
        plan.run_id.fold,
    )


def _structure(training: Training) -> Hashable:
    """What all trials of a group must have or lack together; the numbers may differ."""
    clip, stopping = training.clip, training.early_stopping
    return (
        training.folds,
        training.repeats > 1,
        training.accumulate,
        training.precision,
        clip is not None and clip.norm is not None,
        clip is not None and clip.value is not None,
        training.max_norm is not None,
        training.ema is not None,
        training.swa is not None,
        stopping is not None and stopping.restore_best,
    )
