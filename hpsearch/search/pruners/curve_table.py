"""The objective of every trial by epoch, kept so that each decision takes microseconds.

Trials are of any length, so each has a list of its own; beside the lists stand what pruners ask
for again and again, in order of value:

    columns   by (stage, epoch): the values of complete trials
    rungs     by (stage, rung): the values with which trials entered it

Trials of which each reported after the other had begun ran side by side. `clock` tells: it goes up
by 1 with every batch of reports. Values are as reported, not negated: `objective` says which end is
better.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from hpsearch.search.pruners.verdict import Rung, Verdict
from hpsearch.spec.study import Objective


@dataclass
class TrialCurve:
    """What a trial reported of the objective."""

    number: int
    stage: int = 0
    inherited: int = 0
    """So many epochs it trained as another trial."""
    done: int = 0
    """Epochs reported, with the objective or without."""
    epochs: list[int] = field(default_factory=list)
    """Those with the objective."""
    values: list[float] = field(default_factory=list)
    best: float = math.nan
    complete: bool = False
    rungs: dict[Rung, float] = field(default_factory=dict)
    """The values with which it entered them."""
    stopped: Verdict | None = None
    began: int | None = None
    """The table's clock when it was first judged."""
    stopped_at: int = -1
    """The table's clock when it was stopped."""
    stopped_epoch: int = -1
    """The last epoch that counts then; it may train on until it hears of the stop."""

    @property
    def diverged(self) -> bool:
        """Whether it was stopped as it diverged."""
        return self.stopped is not None and self.stopped.diverged

    @property
    def epoch(self) -> int:
        """The last one with the objective."""
        return self.epochs[-1]

    @property
    def value(self) -> float:
        """At that epoch."""
        return self.values[-1]

    def value_at(self, epoch: int) -> float | None:
        """What it reported of the objective at an epoch; none where it did not."""
        index = bisect_left(self.epochs, epoch)
        if index < len(self.epochs) and self.epochs[index] == epoch:
            return self.values[index]
        return None


@dataclass
class Column:
    """The complete trials' values at an epoch."""

    ordered: list[float] = field(default_factory=list)
    """Without NaN, from the lowest up."""
    reports: int = 0
    """With NaN."""


class CurveTable:
    """The curves of a study's trials by number.

    Args:
        objective: what is compared.
        epochs: how long trials are, by stage, as the spec says; where it does not say, the longest
            complete trial does.
    """

    def __init__(self, objective: Objective, epochs: Mapping[int, int] | None = None) -> None:
        self.metric = objective.metric
        self.objective = objective
        self.planned_epochs: Mapping[int, int] = epochs or {}
        self.clock = 0
        """Batches of reports so far."""
        self.curves: dict[int, TrialCurve] = {}
        self.completed: Counter[int] = Counter()
        """Complete trials by stage."""
        self.max_epochs: dict[int, int] = {}
        """What `max_epochs_of` answered, by stage."""
        self._columns: defaultdict[tuple[int, int], Column] = defaultdict(Column)
        self._rungs: defaultdict[tuple[int, Rung], list[float]] = defaultdict(list)
        self._longest: dict[int, int] = {}
        self._open: defaultdict[int, set[int]] = defaultdict(set)
        """By stage, trials that may report more."""
        self._stopped: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        """By stage, when trials were stopped, and their numbers; from the first on."""

    def add(self, number: int, *, stage: int = 0, inherited: int = 0) -> TrialCurve:
        """Adds a trial without reports, or replaces the one of that number by it.

        Args:
            number: the trial's.
            stage: trials of one stage alone are compared.
            inherited: how many epochs it trained as another trial, which it continues.

        Returns:
            Its empty curve.
        """
        before = self.curves.get(number)
        if before is not None:
            self._leave_rungs(before)
            self._withdraw(before)
        curve = TrialCurve(number, stage, inherited)
        self.curves[number] = curve
        self._open[stage].add(number)
        return curve

    def report(self, number: int, values: Sequence[float | None]) -> None:
        """Appends a trial's next epochs; None where the objective was not measured."""
        curve = self.curves[number]
        for value in values:
            if value is not None:
                curve.epochs.append(curve.done)
                curve.values.append(value)
                if math.isnan(curve.best) or self.is_better(value, curve.best):
                    curve.best = value
            curve.done += 1

    def begin(self, number: int) -> None:
        """Notes when a trial was first judged."""
        curve = self.curves[number]
        if curve.began is None:
            curve.began = self.clock

    def record(self, number: int, verdict: Verdict) -> None:
        """Stores what a verdict says of a trial: rungs entered, and a stop."""
        curve = self.curves[number]
        for rung, value in verdict.rungs.items():
            curve.rungs[rung] = value
            insort(self._rungs[curve.stage, rung], value)
        if verdict.stop:
            curve.stopped, curve.stopped_at = verdict, self.clock
            curve.stopped_epoch = curve.epoch if curve.epochs else -1
            self.end(number)
            insort(self._stopped[curve.stage], (self.clock, number))

    def restore(
        self,
        number: int,
        rungs: Mapping[Rung, float],
        stopped: Verdict | None,
        *,
        began: int | None = None,
        stopped_at: int = -1,
        stopped_epoch: int = -1,
    ) -> None:
        """Replaces what is known of a trial beside its curve, as when it is read from the database.

        Args:
            number: the trial's.
            rungs: those that it entered.
            stopped: the verdict that stopped it.
            began: the clock when it was first judged.
            stopped_at: the clock at that verdict.
            stopped_epoch: the epoch that it was about.
        """
        curve = self.curves[number]
        self._leave_rungs(curve)
        self._withdraw(curve)
        curve.rungs, curve.began = {}, began
        curve.stopped, curve.stopped_at = stopped, stopped_at
        curve.stopped_epoch = stopped_epoch
        if stopped is not None:
            insort(self._stopped[curve.stage], (stopped_at, number))
        elif not curve.complete:
            self._open[curve.stage].add(number)
        self.record(number, Verdict(stop=False, rungs=rungs))

    def end(self, number: int) -> None:
        """Marks a trial as one that reports no more, though it is not complete."""
        self._open[self.curves[number].stage].discard(number)

    def complete(self, number: int) -> None:
        """Marks a trial as run to its end: others are compared with it from now on."""
        curve = self.curves[number]
        if curve.complete:
            return
        self._withdraw(curve)
        curve.complete = True
        self.completed[curve.stage] += 1
        for epoch, value in zip(curve.epochs, curve.values, strict=True):
            column = self._columns[curve.stage, epoch]
            column.reports += 1
            if not math.isnan(value):
                insort(column.ordered, value)
        if curve.epochs:
            longest = max(self._longest.get(curve.stage, 0), curve.epoch + 1)
            self._longest[curve.stage] = longest

    def column(self, stage: int, epoch: int) -> Column:
        """What complete trials of a stage reported at an epoch."""
        return self._columns.get((stage, epoch)) or Column()

    def rung_values(self, stage: int, rung: Rung) -> Sequence[float]:
        """The values with which trials of a stage entered a rung, from the lowest up."""
        return self._rungs.get((stage, rung), ())

    def best_until(self, curve: TrialCurve, epoch: int) -> float:
        """A trial's best value up to an epoch; NaN where it has none."""
        if curve.epochs and epoch >= curve.epoch:
            return curve.best
        values = curve.values[: bisect_right(curve.epochs, epoch)]
        numbers = [value for value in values if not math.isnan(value)]
        return min(numbers, key=self.objective.sort_key, default=math.nan)

    def running(self, stage: int) -> list[TrialCurve]:
        """The trials of a stage that were judged and may report more."""
        found = (self.curves[number] for number in self._open[stage])
        return [curve for curve in found if curve.began is not None]

    def stopped(self, stage: int, since: int = -1) -> Iterator[TrialCurve]:
        """The trials of a stage that were stopped from a moment of `clock` on, the last first."""
        for stopped_at, number in reversed(self._stopped[stage]):
            if stopped_at < since:
                return
            yield self.curves[number]

    def max_epochs_of(self, stage: int) -> int | None:
        """How many epochs trials of a stage have: as planned, else as the longest complete one.

        None while neither is known. What it answers once it answers for ever, so that rungs stay in
        place.
        """
        known = self.planned_epochs.get(stage) or self._longest.get(stage)
        if stage not in self.max_epochs and known is not None:
            self.max_epochs[stage] = known
        return self.max_epochs.get(stage)

    def is_better(self, value: float, other: float) -> bool:
        """Whether one value beats another; NaN beats nothing."""
        return self.objective.is_better(value, other)

    def count_better(self, ordered: Sequence[float], value: float) -> int:
        """How many of some values, sorted from the lowest up, are better than another."""
        if self.objective.is_maximized:
            return len(ordered) - bisect_right(ordered, value)
        return bisect_left(ordered, value)

    def _withdraw(self, curve: TrialCurve) -> None:
        """Takes a trial from those that run and those that were stopped."""
        self._open[curve.stage].discard(curve.number)
        stopped = self._stopped[curve.stage]
        index = bisect_left(stopped, (curve.stopped_at, curve.number))
        if index < len(stopped) and stopped[index][1] == curve.number:
            del stopped[index]

    def _leave_rungs(self, curve: TrialCurve) -> None:
        for rung, value in curve.rungs.items():
            ordered = self._rungs[curve.stage, rung]
            del ordered[bisect_left(ordered, value)]
