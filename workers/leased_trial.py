"""One trial in a worker's hands: what it is, how far it got, and its best epoch."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hpsearch.errors import TrainingFailed
from hpsearch.spec.space.space import resolve
from hpsearch.spec.study import Objective, parse_study
from hpsearch.spec.wire.jobs import Job
from hpsearch.training.group.multi_run_group import AnyGroup
from hpsearch.training.tasks.plan import EpochReport, Plan
from workers.pending_states import PendingStates

ALONE = "one by one: the only one of its shape at hand"


@dataclass
class LeasedTrial:
    """A trial under a lease."""

    job: Job
    plan: Plan
    objective: Objective
    epoch: int = -1
    """The last one trained whose states are in hand."""
    reported: int = -1
    """The last one trained; more than `epoch` only while its states are taken."""
    best_epoch: int | None = None
    best_value: float | None = None
    best: bytes | None = None
    """The best epoch's checkpoint."""
    best_is_stored: bool = True
    kept: PendingStates | None = None
    """What is kept beside these, once it trains."""
    last: bytes | None = None
    """The checkpoint taken last: where the trial goes on from when its group must be re-formed."""
    last_epoch: int = -1
    """The epoch that it was taken after."""
    last_is_stored: bool = True
    group: int = 1
    """Trials that it trains with, itself one of them."""
    why: str = ALONE
    """What decided on that."""
    rows: int | None = None
    """The most runs, its own and those of other trials, that train as one; none for all."""
    finished: bool = False
    """It trains no further: at its end, stopped early, or diverged."""
    over: bool = False
    """Told to the server, or no longer this worker's."""

    @classmethod
    def of(cls, job: Job) -> LeasedTrial:
        """The run of a leased job, from its beginning.

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
    def tests(self) -> bool:
        """Whether the trial's task keeps rows to test on."""
        split = self.plan.spec.split
        return split is None or split.test > 0

    @property
    def is_noted(self) -> bool:
        """Whether what the group now holds of the trial is its state after `epoch`."""
        return self.epoch >= 0 and self.epoch == self.reported

    def rescue(self, group: AnyGroup) -> None:
        """Goes on from the last finished epoch when the group can train no more.

        A trial whose best state may just have been missed trains that epoch again.
        """
        if self.is_noted:
            self.take_last(group.checkpoint(self.number))

    def forget(self) -> None:
        """Back to the trial's beginning."""
        self.epoch, self.reported = -1, -1
        self.best_epoch, self.best_value = None, None
        self.best, self.best_is_stored = None, True
        self.last, self.last_epoch, self.last_is_stored = None, -1, True
        self.kept = None

    def is_better(self, report: EpochReport) -> bool:
        """Whether an epoch is the trial's best so far."""
        value = report.metrics.get(self.objective.metric, math.nan)
        return self.objective.improves(value, self.best_value)

    def take_best(self, report: EpochReport, state: bytes) -> None:
        """Takes on the state after the trial's best epoch so far."""
        self.best_epoch, self.best_value = report.epoch, report.metrics[self.objective.metric]
        self.best, self.best_is_stored = state, False

    def take_last(self, state: bytes) -> None:
        """Takes on the state after the present epoch."""
        self.last, self.last_epoch, self.last_is_stored = state, self.epoch, False
