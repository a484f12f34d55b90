"""The objective of every trial by epoch, kept so that each decision takes microseconds.

Trials are of any length, so each has a list of its own; beside the lists stand what pruners ask
for again and again, in order of value:

    columns   by (stage, epoch): the values of complete trials
    rungs     by (stage, rung): the values with which trials entered it

Values are as reported, not negated: `objective` says which end is better.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
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

    @property
    def epoch(self) -> int:
        """The last one with the objective."""
        return self.epochs[-1]

    @property
    def value(self) -> float:
        """At that epoch."""
        return self.values[-1]


@dataclass
class Column:
    """The complete trials' values at an epoch."""

    ordered: list[float] = field(default_factory=list)
    """Without NaN, from the lowest up."""
    reports: int = 0
    """With NaN."""


class CurveTable:
    """The curves of a study's trials by number."""

    def __init__(self, objective: Objective) -> None:
        self.metric = objective.metric
        self.objective = objective
        self.curves: dict[int, TrialCurve] = {}
        self.completed: Counter[int] = Counter()
        """Complete trials by stage."""
        self.max_epochs: dict[int, int] = {}
        """What `max_epochs_of` answered, by stage."""
        self._columns: defaultdict[tuple[int, int], Column] = defaultdict(Column)
        self._rungs: defaultdict[tuple[int, Rung], list[float]] = defaultdict(list)
        self._longest: dict[int, int] = {}

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
        curve = TrialCurve(number, stage, inherited)
        self.curves[number] = curve
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

    def record(self, number: int, verdict: Verdict) -> None:
        """Stores what a verdict says of a trial: rungs entered, and a stop."""
        curve = self.curves[number]
        for rung, value in verdict.rungs.items():
            curve.rungs[rung] = value
            insort(self._rungs[curve.stage, rung], value)
        if verdict.stop:
            curve.stopped = verdict

    def restore(self, number: int, rungs: Mapping[Rung, float], stopped: Verdict | None) -> None:
        """Replaces what verdicts said of a trial, as when it is read from the database."""
        curve = self.curves[number]
        self._leave_rungs(curve)
        curve.rungs, curve.stopped = {}, stopped
        self.record(number, Verdict(stop=False, rungs=rungs))

    def complete(self, number: int) -> None:
        """Marks a trial as run to its end: others are compared with it from now on."""
        curve = self.curves[number]
        if curve.complete:
            return
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

    def max_epochs_of(self, stage: int) -> int | None:
        """Epochs of the longest trial that was complete when this was first asked for.

        None while none is. What it answers once it answers for ever, so that rungs stay in place.
        """
        if stage not in self.max_epochs and stage in self._longest:
            self.max_epochs[stage] = self._longest[stage]
        return self.max_epochs.get(stage)

    def is_better(self, value: float, other: float) -> bool:
        """Whether one value beats another; NaN beats nothing."""
        return self.objective.is_better(value, other)

    def count_better(self, ordered: Sequence[float], value: float) -> int:
        """How many of some values, sorted from the lowest up, are better than another."""
        if self.objective.is_maximized:
            return len(ordered) - bisect_right(ordered, value)
        return bisect_left(ordered, value)

    def _leave_rungs(self, curve: TrialCurve) -> None:
        for rung, value in curve.rungs.items():
            ordered = self._rungs[curve.stage, rung]
            del ordered[bisect_left(ordered, value)]
