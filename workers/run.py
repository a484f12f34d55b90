"""One trial in a worker's hands: what it is, how far it got, and its best epoch."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hpsearch.errors import TrainingFailed
from hpsearch.spec.records import Job
from hpsearch.spec.space import resolve
from hpsearch.spec.study import Objective, parse_study
from hpsearch.training.plan import EpochReport, Plan


@dataclass
class Run:
    """A trial under a lease."""

    job: Job
    plan: Plan
    objective: Objective
    epoch: int = -1
    """The last one trained."""
    best_epoch: int | None = None
    best_value: float | None = None
    best: bytes | None = None
    """The best epoch's checkpoint."""
    best_is_stored: bool = True
    last: bytes | None = None
    """The checkpoint stored last: where the trial goes on from when its group must be re-formed."""
    over: bool = False
    """Told to the server, or no longer this worker's."""

    @classmethod
    def of(cls, job: Job) -> Run:
        """The run of a leased job, from its beginning.

        Raises:
            InvalidInput, TrainingFailed: when the job's spec is not one.
        """
        study = parse_study(job.spec)
        if study.objective is None:
            raise TrainingFailed("a job's spec must name its objective; submit the study anew")
        plan = Plan(number=job.trial, spec=resolve(study, job.params), epochs=job.epochs)
        return cls(job, plan, study.objective)

    @property
    def number(self) -> int:
        """The trial's number in its study."""
        return self.plan.number

    def forget(self) -> None:
        """Back to the trial's beginning."""
        self.epoch, self.best_epoch, self.best_value = -1, None, None
        self.best, self.last, self.best_is_stored = None, None, True

    def note(self, report: EpochReport) -> bool:
        """Takes an epoch on; says whether it is the trial's best."""
        self.epoch = report.epoch
        value = report.metrics.get(self.objective.metric, math.nan)
        if not math.isfinite(value):
            return False
        sign = 1 if self.objective.direction == "maximize" else -1
        if self.best_value is not None and sign * value <= sign * self.best_value:
            return False
        self.best_epoch, self.best_value = report.epoch, value
        return True
