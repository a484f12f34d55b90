"""Trains K ≥ 1 trials at once, one epoch of all of them at a time.

    group = Group(plans)
    for reports in group.epochs():          # one report per living trial
        blob = group.checkpoint(reports[0].number)

K   trials
Every number of a trial comes from its plan alone: the group's other trials, its size, and when
trials join or leave change nothing: on a CPU with one thread not even the last bit (see
`numerics.alignment`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from hpsearch.training.checkpoints import checkpoint as checkpoints
from hpsearch.training.group.loop import Loop
from hpsearch.training.group.saved_state import build_state, checkpoint_of
from hpsearch.training.group.state import GroupState
from hpsearch.training.group.trial_progress import TrialProgress
from hpsearch.training.numerics.layout import Layout
from hpsearch.training.numerics.memory import is_out_of_memory
from hpsearch.training.numerics.precision import check_precision
from hpsearch.training.tasks import task_for
from hpsearch.training.tasks.plan import EpochReport, Plan, group_key
from hpsearch.training.update.ema_swa import update_swa

__all__ = ["EpochReport", "Group", "Plan", "group_key"]

StateCopy: TypeAlias = tuple[list[TrialProgress], GroupState]
"""What changes while a group trains, copied."""

LEAST_SECONDS = 1e-9
"""Keeps a rate finite where the clock has not moved."""


class Group:
    """Trials with equal `group_key`, trained as rows of the same matrices.

    Args:
        plans: the trials, at least one, each number once.
        device: where to train.
        dtype: precision of weights and data.
        resume: checkpoints by trial number; a trial without one starts from the beginning.

    Raises:
        ValueError: when the plans may not share a group.
        CorruptArtifact: when a checkpoint cannot be read or does not fit its plan.
        TrainingFailed: when model and data do not fit, or the device lacks the precision.
    """

    def __init__(
        self,
        plans: Sequence[Plan],
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        resume: Mapping[int, bytes] | None = None,
    ) -> None:
        if len({group_key(plan) for plan in plans}) != 1:
            raise ValueError("a group needs plans with one and the same group_key; split them")
        check_precision(plans[0].spec, torch.device(device))
        self._task = task_for(
            plans[0].spec, device=torch.device(device), dtype=dtype, fold=plans[0].fold
        )
        saved = {number: checkpoints.read(blob) for number, blob in (resume or {}).items()}
        self._trials, self._state = build_state(
            plans, saved, self._task, device=torch.device(device), dtype=dtype
        )
        self._loop: Loop | None = None
        """For the trials and rows as they are; none when it has to be made."""

    @property
    def steps(self) -> int:
        """Batches of an epoch."""
        return len(self._task.sizes)

    @property
    def updates_per_epoch(self) -> int:
        """Optimizer steps of an epoch."""
        return -(-self.steps // self._trials[0].plan.spec.training.accumulate)

    @property
    def layout(self) -> Layout:
        """One trial's weights."""
        return self._task.layout

    @property
    def size_bytes(self) -> int:
        """Memory that the trials' state takes."""
        return self._state.size_bytes

    @property
    def numbers(self) -> tuple[int, ...]:
        """Trials in the group, in the order of their rows."""
        return tuple(trial.plan.number for trial in self._trials)

    def epochs(self) -> Iterator[tuple[EpochReport, ...]]:
        """Trains, an epoch per pass, until no trial is left or the caller stops asking.

        A trial leaves at the pass after its last report: until then it can be checkpointed.
        Where memory runs out the error is raised, and each trial is as it was after the epoch last
        reported.
        """
        while living := [trial.plan.number for trial in self._trials if not trial.finished]:
            self._keep(living)
            before = self.copy_state()
            try:
                reports = self._epoch()
            except Exception as error:
                if is_out_of_memory(error):
                    self.restore_state(before)
                raise
            del before
            yield reports

    def copy_state(self) -> StateCopy:
        """A copy of the trials as they are, for `restore_state`."""
        return [trial.copy() for trial in self._trials], self._state.copy()

    def restore_state(self, copy: StateCopy) -> None:
        """Makes the trials what they were when `copy_state` was called; a copy serves once."""
        (self._trials, self._state), self._loop = copy, None

    def checkpoint(self, number: int) -> bytes:
        """A trial's state after the epoch last reported, in the format of `checkpoints.checkpoint`.

        Under early stopping with `restore_best`, a finished trial has its best epoch's weights.

        Raises:
            KeyError: when the trial is not in the group.
        """
        k = self._row(number)
        return checkpoints.write(checkpoint_of(self._trials[k], self._state.trial(k), self._task))

    def drop(self, number: int) -> None:
        """Takes a trial out; the others go on as if it had never been there.

        Raises:
            KeyError: when the trial is not in the group.
        """
        self._row(number)
        self._keep([other for other in self.numbers if other != number])

    def _row(self, number: int) -> int:
        if number not in self.numbers:
            raise KeyError(f"trial {number} is not in this group, which holds {self.numbers}")
        return self.numbers.index(number)

    def _keep(self, numbers: Sequence[int]) -> None:
        if len(numbers) == len(self._trials):
            return
        rows = [self._row(number) for number in numbers]
        self._trials = [self._trials[k] for k in rows]
        if rows:
            self._state.keep(rows)
        self._loop = None

    def _epoch(self) -> tuple[EpochReport, ...]:
        started = time.perf_counter()
        if self._loop is None:
            self._loop = Loop(self._task, self._trials, self._state)
        loop = self._loop
        metrics, penalty = loop.epoch(loop.batches())
        with torch.no_grad():
            self._update_swa()
            metrics |= self._measure(metrics["train_loss"], penalty, loop)
            names = list(metrics)
            table = torch.stack([metrics[name].double() for name in names]).T.tolist()
            seconds = (time.perf_counter() - started) / len(self._trials)
            speed = {
                "seconds": seconds,
                "samples_per_second": self._task.rows / max(seconds, LEAST_SECONDS),
            }
            reports = []
            for k, (trial, row) in enumerate(zip(self._trials, table, strict=True)):
                values = dict(zip(names, row, strict=True)) | loop.last_rates(k) | speed
                if not trial.swa_epochs:
                    values = {n: v for n, v in values.items() if not n.startswith("swa_")}
                reports.append(trial.report(values))
                self._keep_best(k)
        return tuple(reports)

    def _update_swa(self) -> None:
        """Takes the weights into the SWA of those trials for which the epoch counts."""
        for k, trial in enumerate(self._trials):
            if trial.enters_swa:
                row, mean = slice(k, k + 1), self._state.copies["swa"]
                counted = torch.full_like(mean.weights[row, :1], trial.swa_epochs)
                update_swa(mean.weights[row], self._state.weights[row], counted)
                update_swa(mean.buffers[row], self._state.buffers[row], counted)
                trial.swa_epochs += 1

    def _measure(self, loss: Tensor, penalty: Tensor, loop: Loop) -> dict[str, Tensor]:
        """Metrics on validation rows, of the weights and of their averages; the objective."""
        state = self._state
        metrics = self._task.measure(state.views, state.buffer_views, "validation")
        for name in ("ema", "swa"):
            if name in state.copies and (name == "ema" or any(t.swa_epochs for t in self._trials)):
                of_copy = self._task.measure(*state.views_of(name), "validation")
                metrics |= {f"{name}_{key}": v for key, v in of_copy.items() if key[:4] == "val_"}
        if "train_loss" in metrics:  # such a task measures after the step
            loss, penalty = metrics["train_loss"], loop.penalty()
        return metrics | {"train_objective": loss + penalty}

    def _keep_best(self, k: int) -> None:
        """Copies trial k's weights after its best epoch, and restores them at its end."""
        trial, state = self._trials[k], self._state
        if "best" not in state.copies:
            return
        best = state.copies["best"]
        if trial.best.epoch == trial.epoch - 1:
            best.weights[k], best.buffers[k] = state.weights[k], state.buffers[k]
        elif trial.finished and trial.best.epoch >= 0:
            state.weights[k], state.buffers[k] = best.weights[k], best.buffers[k]
