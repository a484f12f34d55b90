"""A trial in its group: how far it has come, and what it does between epochs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from hpsearch.spec.study import Objective
from hpsearch.training.numerics.early_stopping import BestEpoch
from hpsearch.training.numerics.seeds import Stream, seed_of
from hpsearch.training.schedules import reads_history
from hpsearch.training.tasks.plan import EpochReport, Plan
from hpsearch.training.update.ema_swa import is_swa_epoch


@dataclass
class TrialProgress:
    """What changes while a trial trains and is not a tensor."""

    plan: Plan
    epoch: int = 0
    """The next one to train, 0-based."""
    history: dict[str, list[float]] = field(default_factory=dict)
    """The metrics that its schedules follow, one value per finished epoch."""
    best: BestEpoch = field(default_factory=BestEpoch)
    """Followed only under early stopping."""
    swa_epochs: int = 0
    """Epochs in its SWA."""
    diverged: bool = False
    stopped: bool = False
    """Early stopping has ended it."""

    @cached_property
    def schedule_seed(self) -> int:
        """The seed of the noise in its schedule."""
        return seed_of(Stream.SCHEDULE, self.plan.spec.seed, self.plan.run_id.trial)

    @property
    def finished(self) -> bool:
        """Whether nothing is left to train."""
        return self.diverged or self.stopped or self.epoch >= self.plan.epochs

    @property
    def enters_swa(self) -> bool:
        """Whether the weights at the end of the present epoch enter its SWA."""
        swa = self.plan.spec.training.swa
        return swa is not None and is_swa_epoch(swa.start, swa.every, self.epoch, self.plan.epochs)

    def history_of(self, metric: str | None) -> Sequence[float]:
        """A metric's values so far; none for a schedule that follows time alone."""
        return self.history.get(metric, ()) if metric is not None else ()

    def copy(self) -> TrialProgress:
        """A copy that does not change when this one trains on."""
        return replace(self, history={name: list(values) for name, values in self.history.items()})

    def report(self, metrics: Mapping[str, float]) -> EpochReport:
        """Counts an epoch as finished: keeps what schedules follow, and decides whether to stop.

        Args:
            metrics: of the epoch, by name.
        """
        epoch, spec = self.epoch, self.plan.spec
        for schedule in (spec.schedule, spec.optimizer.momentum_schedule):
            metric = None if schedule is None else reads_history(schedule)
            if metric is not None and len(self.history_of(metric)) == epoch:
                self.history.setdefault(metric, []).append(metrics[metric])
        self.diverged = not math.isfinite(metrics["train_loss"])
        if stopping := spec.training.early_stopping:
            goal = spec.first_objective or _default_objective(metrics)
            value = metrics[goal.metric]
            self.best = self.best.after(epoch, value, goal, stopping.min_delta)
            self.stopped = self.best.should_stop(epoch, stopping.patience)
        self.epoch += 1
        return EpochReport(self.plan.number, epoch, metrics, self.diverged, self.finished)


def _default_objective(metrics: Mapping[str, float]) -> Objective:
    """The objective of a spec that the server has not completed."""
    return Objective.default_for("classes" if "val_accuracy" in metrics else "numbers")
