"""Trials that are several runs, of other folds or other initial weights, as if each were one.

    group = group_for(plans)                # a Group, or a MultiRunGroup for trials of several runs
    for reports in group.epochs():          # one report per living trial: the means of its runs
        blob = group.checkpoint(reports[0].number)

The runs of all trials on one fold are rows of the same groups, so K trials of r repeats train
fused. Runs go in lockstep, an epoch of all at a time. What happens within a run (early stopping,
plateaus, averages of weights) is its own affair: one that has ended keeps its last metrics in
the means until all have.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import TypeAlias

import torch

from hpsearch.errors import CorruptArtifact
from hpsearch.training.checkpoints import checkpoint as checkpoints
from hpsearch.training.checkpoints import multi_run
from hpsearch.training.checkpoints.multi_run import StoredRun
from hpsearch.training.group.group import LEAST_SECONDS, Group, StateCopy
from hpsearch.training.numerics.memory import is_out_of_memory
from hpsearch.training.numerics.run_means import mean_metrics
from hpsearch.training.tasks.plan import EpochReport, Plan, RunId, run_ids

Reports: TypeAlias = tuple[EpochReport, ...]
_Epochs: TypeAlias = tuple[Group, Iterator[Reports]]
"""A group and its epochs, from `Group.epochs`."""

TIMES = ("seconds", "samples_per_second")
"""Metrics whose means over runs would say nothing: the first is summed, the second follows."""


@dataclass
class _Run:
    """One run of a trial."""

    number: int
    """Names it in its group."""
    run_id: RunId
    final_checkpoint: bytes | None = None
    """Set once it has ended."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    """Of its last epoch."""


@dataclass
class _Trial:
    plan: Plan
    runs: list[_Run]
    epoch: int = -1
    """The last one trained."""
    diverged: bool = False

    @property
    def living(self) -> list[_Run]:
        return [run for run in self.runs if run.final_checkpoint is None]

    @property
    def finished(self) -> bool:
        return self.diverged or not self.living


class MultiRunGroup:
    """Trials with equal `group_key`; the methods are those of `Group`.

    Args:
        plans: the trials, at least one, each number once.
        device: where to train.
        dtype: precision of weights and data.
        resume: checkpoints by trial number; a trial without one starts from the beginning.
        max_runs: that train as one group; none for all of a fold.

    Raises:
        ValueError: when the plans may not share a group.
        CorruptArtifact: when a checkpoint cannot be read or does not fit its plan.
        TrainingFailed: when model and data do not fit, or rows cannot be divided into folds.
    """

    def __init__(
        self,
        plans: Sequence[Plan],
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        resume: Mapping[int, bytes] | None = None,
        max_runs: int | None = None,
    ) -> None:
        stored = {number: multi_run.read(blob) for number, blob in (resume or {}).items()}
        numbers = count()
        self._trials: dict[int, _Trial] = {}
        blobs: dict[int, bytes] = {}
        for plan in plans:
            runs = [_Run(next(numbers), run_id) for run_id in run_ids(plan)]
            trial = self._trials[plan.number] = _Trial(plan, runs)
            if plan.number in stored:
                blobs |= _resume(trial, stored[plan.number])
        self._groups: list[Group] = []
        self._group_of: dict[int, Group] = {}
        by_fold: dict[int | None, list[Plan]] = {}
        for trial in self._trials.values():
            for run in trial.living:
                plan = Plan(run.number, trial.plan.spec, trial.plan.epochs, run.run_id)
                by_fold.setdefault(run.run_id.fold, []).append(plan)
        for plans_of_fold in by_fold.values():
            size = max_runs or len(plans_of_fold)
            for start in range(0, len(plans_of_fold), size):
                part = plans_of_fold[start : start + size]
                saved = {p.number: blobs[p.number] for p in part if p.number in blobs}
                group = Group(part, device=device, dtype=dtype, resume=saved)
                self._groups.append(group)
                self._group_of |= dict.fromkeys((p.number for p in part), group)

    @property
    def numbers(self) -> tuple[int, ...]:
        """Trials in the group."""
        return tuple(self._trials)

    def epochs(self) -> Iterator[Reports]:
        """Trains, an epoch of all runs per pass, until no trial is left or the caller stops asking.

        A trial leaves at the pass after its last report: until then it can be checkpointed.
        Where memory runs out the error is raised, and each trial is as it was after the epoch last
        reported.
        """
        epochs = [(group, group.epochs()) for group in self._groups]
        while living := [number for number, trial in self._trials.items() if not trial.finished]:
            for number in set(self._trials).difference(living):
                self._remove(number)
            training = {number: self._trials[number].living for number in living}
            runs = {run.number: run for of_trial in training.values() for run in of_trial}
            for group, reports in self._next_epoch(epochs):
                for report in reports:
                    self._record(runs[report.number], group, report)
            yield tuple(self._report(number, training[number]) for number in living)

    def checkpoint(self, number: int) -> bytes:
        """A trial's state after the epoch last reported: a blob of all its runs.

        Its format is that of `checkpoints.multi_run`.

        Raises:
            KeyError: when the trial is not in the group.
        """
        trial = self._trial(number)
        return multi_run.write(
            number,
            trial.epoch,
            [
                StoredRun(run.run_id, run.final_checkpoint, run.metrics)
                if run.final_checkpoint is not None
                else StoredRun(run.run_id, self._group_of[run.number].checkpoint(run.number))
                for run in trial.runs
            ],
        )

    @property
    def updates_per_epoch(self) -> int:
        """Optimizer steps of an epoch of a run, the most that any has."""
        return max((group.updates_per_epoch for group in self._groups), default=1)

    def drop(self, number: int) -> None:
        """Takes a trial out; the others go on as if it had never been there.

        Raises:
            KeyError: when the trial is not in the group.
        """
        self._trial(number)
        self._remove(number)

    @staticmethod
    def _next_epoch(epochs: Sequence[_Epochs]) -> list[tuple[Group, Reports]]:
        """An epoch of every group; where memory runs out, all are as they were before it."""
        done: list[tuple[Group, Reports]] = []
        before: list[StateCopy] = []
        try:
            for group, reports in epochs:
                if len(epochs) > 1:
                    before.append(group.copy_state())
                done.append((group, next(reports, ())))
        except Exception as error:
            if is_out_of_memory(error):
                for (group, _), copy in zip(done, before, strict=False):
                    group.restore_state(copy)
            raise
        return done

    def _trial(self, number: int) -> _Trial:
        if number not in self._trials:
            raise KeyError(f"trial {number} is not in this group, which holds {self.numbers}")
        return self._trials[number]

    def _remove(self, number: int) -> None:
        """Runs that have ended leave their groups by themselves."""
        for run in self._trials.pop(number).living:
            self._group_of[run.number].drop(run.number)

    def _record(self, run: _Run, group: Group, report: EpochReport) -> None:
        trial = self._trials[run.run_id.trial]
        trial.epoch, run.metrics = report.epoch, report.metrics
        trial.diverged = trial.diverged or report.diverged
        if report.finished:
            run.final_checkpoint = group.checkpoint(run.number)

    def _report(self, number: int, trained: Sequence[_Run]) -> EpochReport:
        """The means of a trial's runs, of which some have trained in this pass."""
        trial = self._trials[number]
        means = mean_metrics(
            [{n: v for n, v in run.metrics.items() if n not in TIMES} for run in trial.runs],
            [objective.metric for objective in trial.plan.spec.objectives],
        )
        seconds = sum(run.metrics["seconds"] for run in trained)
        samples = sum(run.metrics["samples_per_second"] * run.metrics["seconds"] for run in trained)
        speed = {"seconds": seconds, "samples_per_second": samples / max(seconds, LEAST_SECONDS)}
        return EpochReport(number, trial.epoch, means | speed, trial.diverged, trial.finished)


AnyGroup: TypeAlias = Group | MultiRunGroup


def group_for(
    plans: Sequence[Plan],
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    resume: Mapping[int, bytes] | None = None,
    max_runs: int | None = None,
) -> AnyGroup:
    """What trains plans with equal `group_key`: several runs a trial, or one.

    Args:
        plans: the trials, at least one, each number once.
        device: where to train.
        dtype: precision of weights and data.
        resume: checkpoints by trial number; a trial without one starts from the beginning.
        max_runs: the most runs that train as one group, where trials have several; none for all
            of a fold.

    Raises:
        ValueError: when the plans may not share a group.
        CorruptArtifact: when a checkpoint cannot be read or does not fit its plan.
        TrainingFailed: when model and data do not fit, the device lacks the precision, or rows
            cannot be divided into folds.
    """
    if any(len(run_ids(plan)) > 1 for plan in plans):
        return MultiRunGroup(plans, device=device, dtype=dtype, resume=resume, max_runs=max_runs)
    return Group(plans, device=device, dtype=dtype, resume=resume)


def _resume(trial: _Trial, stored: Sequence[StoredRun]) -> dict[int, bytes]:
    """Sets a trial's epoch and ended runs as stored; checkpoints, by run, of those that go on."""
    expected = [run.run_id[1:] for run in trial.runs]
    if [stored_run.run_id[1:] for stored_run in stored] != expected:
        raise CorruptArtifact(
            f"a checkpoint must hold the {len(expected)} runs that folds and repeats make of trial "
            f"{trial.plan.number}, and it holds {len(stored)}, or others; start the trial from "
            "the beginning"
        )
    blobs = {}
    for run, stored_run in zip(trial.runs, stored, strict=True):
        saved = checkpoints.read(stored_run.checkpoint)
        trial.epoch = max(trial.epoch, saved.epoch)
        if saved.stopped or saved.epoch + 1 >= trial.plan.epochs:
            run.final_checkpoint = stored_run.checkpoint
            run.metrics = stored_run.final_metrics or {}
        else:
            blobs[run.number] = stored_run.checkpoint
    return blobs
