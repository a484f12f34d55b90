"""One trial under a lease: how far it got, its best epoch, and the states in the worker's hands."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, field
from typing import NamedTuple

from hpsearch.errors import TrainingFailed
from hpsearch.spec.space.space import resolve
from hpsearch.spec.study import Objective, parse_study
from hpsearch.spec.wire.jobs import Job
from hpsearch.training.group.multi_run_group import AnyGroup
from hpsearch.training.tasks.plan import EpochReport, Plan
from workers.failures import DROPPED
from workers.pending_states import PendingState, PendingStates

logger = logging.getLogger("hpsearch.worker")

ALONE = "one by one: the only one of its shape at hand"


class Improvement(NamedTuple):
    """An epoch that was the best so far, its value, and the state after it."""

    epoch: int
    value: float | None
    state: bytes | None


@dataclass
class LeasedTrial:
    """A trial that this worker trains.

    Epochs are indices from 0; -1 stands before the first. A state is a checkpoint's content.
    """

    job: Job
    plan: Plan
    objective: Objective
    epoch: int = -1
    """The last epoch after which its states were collected."""
    reported: int = -1
    """The last epoch trained; more than `epoch` only while its states are collected."""
    best_epoch: int | None = None
    best_value: float | None = None
    best: bytes | None = None
    """The state after the best epoch."""
    best_is_stored: bool = True
    """Whether the server has it, or soon will."""
    improvements: list[Improvement] = field(default_factory=list)
    """The best epochs since the server last confirmed its reports, the confirmed one first."""
    last: bytes | None = None
    """The state collected last: where the trial goes on from when its group is formed anew."""
    last_epoch: int = -1
    """The epoch that it was collected after."""
    last_is_stored: bool = True
    """Whether the server has it, or soon will."""
    pending: PendingStates | None = None
    """States that the study's policy keeps beside these two; none before it trains."""
    group_size: int = 1
    """Trials that it trains with, itself counted."""
    group_reason: str = ALONE
    """What decided on that."""
    max_runs: int | None = None
    """The most runs, its own and those of other trials, that train as one; none for all."""
    is_finished: bool = False
    """It trains no further: at its end, stopped early, or diverged."""
    is_over: bool = False
    """The server knows its end, or it is no longer this worker's."""

    @classmethod
    def of(cls, job: Job) -> LeasedTrial:
        """The trial of a leased job, at its beginning.

        Raises:
            InvalidInput, TrainingFailed: when the job's spec is not one.
        """
        study = parse_study(job.spec)
        objective = study.first_objective
        if objective is None:
            raise TrainingFailed("a job's spec must name its objective; submit the study anew")
        spec = resolve(study, job.params)
        if job.repeats is not None:
            training = spec.training.model_copy(update={"repeats": job.repeats})
            spec = spec.model_copy(update={"training": training})
        plan = Plan(number=job.trial, spec=spec, epochs=job.epochs)
        return cls(job, plan, objective)

    @property
    def number(self) -> int:
        """The trial's number in its study."""
        return self.plan.number

    @property
    def has_test_rows(self) -> bool:
        """Whether the trial's task keeps rows to test on."""
        split = self.plan.spec.split
        return split is None or split.test > 0

    @property
    def pending_bytes(self) -> int:
        """The memory that the pending states take."""
        return self.pending.size_bytes if self.pending else 0

    @property
    def is_collected(self) -> bool:
        """Whether the states after the last epoch trained were collected."""
        return self.epoch >= 0 and self.epoch == self.reported

    def collect(self, report: EpochReport, group: AnyGroup) -> None:
        """Collects the states after an epoch: the best so far, and what the policy keeps."""
        self.is_finished = report.finished
        is_best = self._is_best(report)
        # What diverged is of no use to anybody.
        reasons = self.pending.reasons(report.epoch) if self.pending and not report.diverged else ()
        if is_best or reasons:
            state = group.checkpoint(self.number)
            if is_best:
                self.best_epoch = report.epoch
                self.best_value = report.metrics[self.objective.metric]
                self.best, self.best_is_stored = state, False
                self.improvements.append(Improvement(report.epoch, self.best_value, state))
            if reasons and self.pending:
                self.pending.add(report.epoch, state, reasons)
        if not report.diverged:  # else the trial must not go on from what the group holds of it
            self.epoch = report.epoch

    def collect_last(self, group: AnyGroup) -> None:
        """Collects the present state, where the trial goes on from.

        Only while the group holds the state after `epoch`.
        """
        is_best = self.best_epoch == self.epoch and not self.best_is_stored
        self.last = (self.best if is_best else None) or group.checkpoint(self.number)
        self.last_epoch, self.last_is_stored = self.epoch, False

    def confirm(self) -> None:
        """Notes that the server has stored all epochs so far: a best one among them stays it."""
        del self.improvements[:-1]

    def cut(self, epochs: int) -> None:
        """Goes back to what counts of a trial that has ended, while it trained on, at an epoch.

        Args:
            epochs: how many of its epochs count.
        """
        counted = [one for one in self.improvements if one.epoch < epochs]
        if counted and counted[-1].epoch != self.best_epoch:
            self.best_epoch, self.best_value, self.best = counted[-1]
            self.best_is_stored = False
        if self.pending:
            self.pending.drop_from(epochs)

    def take_unstored(self) -> list[PendingState]:
        """The states that the server does not have yet, by epoch; they count as stored from now."""
        best = last = None
        if self.last is not None and not self.last_is_stored:
            last = PendingState(self.last_epoch, self.last, last=True)
        if self.best is not None and self.best_epoch is not None and not self.best_is_stored:
            # Of a trial that has no later state its best one is the last.
            is_last = self.best_epoch > self.last_epoch
            best = PendingState(self.best_epoch, self.best, best=True, last=is_last)
        self.best_is_stored = self.last_is_stored = True
        return self.pending.take(best, last) if self.pending else []

    def final_states(self) -> list[PendingState]:
        """The states whose predictions are stored at the trial's end.

        The best one counts in any case, for its test scores; the last one where it is kept.
        """
        states = {}
        if self.last is not None and "last" in self.plan.spec.checkpoints.keep:
            states[self.last_epoch] = PendingState(self.last_epoch, self.last, last=True)
        if self.best is not None and self.best_epoch is not None:
            states[self.best_epoch] = PendingState(self.best_epoch, self.best, best=True)
        return list(states.values())

    def reset(self) -> None:
        """Goes back to the trial's beginning."""
        self.epoch, self.reported = -1, -1
        self.best_epoch, self.best_value = None, None
        self.best, self.best_is_stored = None, True
        self.improvements.clear()
        self.last, self.last_epoch, self.last_is_stored = None, -1, True
        self.pending = None

    def drop(self) -> None:
        """Notes that the trial is another worker's now."""
        if not self.is_over:
            logger.warning(DROPPED, self.job.id)
            self.is_over = True

    def _is_best(self, report: EpochReport) -> bool:
        value = report.metrics.get(self.objective.metric, math.nan)
        return self.objective.improves(value, self.best_value)
