"""Trains K ≥ 1 trials at once, one epoch of all of them at a time.

    group = Group(plans)
    for reports in group.epochs():          # one report per living trial
        blob = group.checkpoint(reports[0].number)

K   trials        B   rows of a batch        S   steps of an epoch
Every number of a trial comes from its plan alone: the group's other members, its size, and when
trials join or leave change nothing but the last bits that a wider matrix product rounds.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from hpsearch.training import checkpoint as checkpoints
from hpsearch.training.course import Course
from hpsearch.training.member import Member, join, leave
from hpsearch.training.plan import EpochReport, Plan, group_key
from hpsearch.training.tally import Tally
from hpsearch.training.tasks import task_for
from hpsearch.training.tasks.base import TrialEpoch

__all__ = ["EpochReport", "Group", "Plan", "group_key"]

TINY = 1e-30
"""Least norm of weights that a step's size is compared with."""


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
        TrainingFailed: when model and data do not fit.
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
        self._task = task_for(plans[0].spec, device=torch.device(device), dtype=dtype)
        saved = {number: checkpoints.read(blob) for number, blob in (resume or {}).items()}
        self._members, self._state = join(
            plans, saved, self._task, device=torch.device(device), dtype=dtype
        )
        self._course = Course(self._members, self._state, self._task.steps)

    @property
    def numbers(self) -> tuple[int, ...]:
        """Trials in the group, in the order of their rows."""
        return tuple(member.plan.number for member in self._members)

    def epochs(self) -> Iterator[tuple[EpochReport, ...]]:
        """Trains, an epoch per pass, until no trial is left or the caller stops asking.

        A trial leaves at the pass after its last report: until then it can be checkpointed.
        """
        while living := [member.plan.number for member in self._members if not member.finished]:
            self._keep(living)
            yield self._epoch()

    def checkpoint(self, number: int) -> bytes:
        """A trial's state after the epoch last reported.

        Raises:
            KeyError: when the trial is not in the group.
        """
        k = self._row(number)
        return checkpoints.write(leave(self._members[k], self._state.row(k), self._task))

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
        if len(numbers) == len(self._members):
            return
        rows = [self._row(number) for number in numbers]
        self._members = [self._members[k] for k in rows]
        self._state.keep(rows)
        self._course = Course(self._members, self._state, self._task.steps)

    def _epoch(self) -> tuple[EpochReport, ...]:
        started = time.perf_counter()
        metrics, penalty = self._train()
        with torch.no_grad():
            views = self._state.layout.views(self._state.weights)
            measured = self._task.measure(views, self._state.buffer_views, "validation")
            if "train_loss" in measured:  # such a task measures after the step
                penalty = self._course.penalty()
            metrics |= measured
            loss = metrics["train_loss"]
            metrics["train_objective"] = loss if penalty is None else loss + penalty
        names = list(metrics)
        table = torch.stack([value.double() for value in metrics.values()]).T.tolist()
        seconds = (time.perf_counter() - started) / len(self._members)
        speed = {"seconds": seconds, "samples_per_second": self._task.rows / max(seconds, TINY)}
        reports = []
        for member, row, force in zip(self._members, table, self._course.in_force, strict=True):
            found = dict(zip(names, row, strict=True)) | force | speed
            reports.append(_report(member, found))
        return tuple(reports)

    def _train(self) -> tuple[dict[str, Tensor], Tensor | None]:
        """One epoch's steps; metrics of training and the mean regulariser, each [K]."""
        state, task = self._state, self._task
        updates = self._course.epoch()
        tally = Tally(state.weights)
        before = state.weights
        trials = [TrialEpoch(m.plan.spec, m.plan.number, m.epoch) for m in self._members]
        for step, batch in enumerate(task.batches(trials)):
            outcome = task.losses(state.leaves, state.buffer_views, batch)
            state.backward(outcome.losses.sum() / batch.rows)
            with torch.no_grad():
                norm = torch.linalg.vector_norm(state.grads, dim=1)
                tally.add(outcome, norm, self._course.penalty())
                if step == task.steps - 1:
                    before = state.weights.clone()
                self._course.step(updates[step])
        with torch.no_grad():
            change = torch.linalg.vector_norm(state.weights - before, dim=1)
            size = torch.linalg.vector_norm(before, dim=1).clamp_(min=TINY)
        return tally.metrics() | {"update_ratio": change / size}, tally.penalty


def _report(member: Member, metrics: dict[str, float]) -> EpochReport:
    """Notes a finished epoch in its member, and says it to the caller."""
    member.diverged = not math.isfinite(metrics["train_loss"])
    report = EpochReport(member.plan.number, member.epoch, metrics, member.diverged)
    member.note(metrics)
    return report
