"""Best value so far against a percentile of other trials at the same epoch.

A trial that runs alone is compared with the complete ones (Golovin et al. 2017). One that runs side
by side with others is compared with all trials: complete, running, and stopped, where a trial
counts with its value at that epoch, with its best where it was stopped before it, and as the worst
of all where it diverged. So of twelve that train together the better six go on, and none of these
is in danger again because the others are gone.

Where a person's own loop trains for as long as it likes, all are compared with the complete ones.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from hpsearch.search.pruners.base import Pruner
from hpsearch.search.pruners.curve_table import CurveTable, TrialCurve
from hpsearch.search.pruners.interval import is_due
from hpsearch.search.pruners.verdict import GO_ON, Verdict
from hpsearch.spec.language.messages import pluralize
from hpsearch.spec.pruners.ranking import PercentilePruner, RankPruner

R = TypeVar("R", bound=RankPruner)


@dataclass(frozen=True)
class _Values:
    """What trials are compared with at an epoch; `ordered` is without NaN, from the lowest up."""

    ordered: Sequence[float]
    reports: int
    """With NaN."""

    def without(self, value: float) -> _Values:
        """All but one of them."""
        index = bisect_left(self.ordered, value)
        rest = [*self.ordered[:index], *self.ordered[index + 1 :]]
        return _Values(rest, self.reports - 1)


class Ranked(Pruner[R]):
    """What median and percentile share."""

    reads_curves = True

    @property
    @abstractmethod
    def share(self) -> float:
        """What goes on, in percent."""

    @abstractmethod
    def line_name(self, table: CurveTable) -> str:
        """What the value is called that a trial must reach."""

    def why_idle(self, epochs: int, trials: int) -> str | None:
        """Where trials are over before its warm-up, or too few to be compared."""
        settings = self.settings
        warmup = settings.warmup_epochs
        if warmup is None:
            warmup = settings.default_warmup_epochs(epochs)
        if warmup + 1 >= epochs:
            return (
                f"it looks from epoch {warmup} (counted from 0) on and trials train "
                f"{pluralize(epochs, 'epoch')}; lower pruner.warmup_epochs or train longer"
            )
        for name in ("startup_trials", "min_trials"):
            needed = max(1, getattr(settings, name))
            if needed > trials - 1:
                return (
                    f"pruner.{name} {needed} asks for so many others and a trial has "
                    f"{trials - 1}; lower it or add trials"
                )
        return None

    def decide(self, table: CurveTable, number: int) -> Verdict:
        """Stops a trial that is worse than those that make up the best `share`."""
        return self.decide_together(table, [number])[0]

    def decide_together(self, table: CurveTable, numbers: Sequence[int]) -> list[Verdict]:
        """Compares each with all others, those among the numbers too."""
        found: dict[tuple[int, int], _Values] = {}
        verdicts = []
        for number in numbers:
            curve = table.curves[number]
            key = (curve.stage, curve.epoch)
            if _is_alone(table, curve):
                column = table.column(*key)
                others = _Values(column.ordered, column.reports)
            else:
                if key not in found:
                    found[key] = _values_of_all(table, *key)
                others = found[key].without(curve.value)
            verdicts.append(self._compare(table, curve, others))
        return verdicts

    def _compare(self, table: CurveTable, curve: TrialCurve, others: _Values) -> Verdict:
        settings = self.settings
        complete = table.completed[curve.stage]
        known = complete + others.reports - table.column(curve.stage, curve.epoch).reports
        if known == 0 or known < settings.startup_trials:
            return GO_ON
        if curve.epoch + 1 >= table.planned_epochs.get(curve.stage, math.inf):
            return GO_ON  # a stop after the last epoch would save nothing
        if not is_due(self._warmup_epochs(table, curve.stage), settings.interval_epochs, curve):
            return GO_ON
        if math.isnan(curve.best):
            return Verdict(stop=True, why=f"epoch {curve.epoch}: {table.metric} was NaN throughout")
        if others.reports < settings.min_trials or not others.ordered:
            return GO_ON
        share = self.share
        line = percentile(others.ordered, 100 - share if table.objective.is_maximized else share)
        if not table.is_better(line, curve.best):
            return GO_ON
        best = f"{curve.best:.4g}"
        if curve.best != curve.value:
            best += " at best"
        return Verdict(
            stop=True,
            why=f"epoch {curve.epoch}: {table.metric} {best} is worse than the "
            f"{self.line_name(table)} {line:.4g} of {pluralize(len(others.ordered), 'trial')}",
        )

    def _warmup_epochs(self, table: CurveTable, stage: int) -> int:
        if self.settings.warmup_epochs is not None:
            return self.settings.warmup_epochs
        if stage not in table.planned_epochs:
            return 0
        return self.settings.default_warmup_epochs(table.max_epochs_of(stage) or 1)


class Percentile(Ranked[PercentilePruner]):
    """Goes on with the best `percentile` percent."""

    @property
    def share(self) -> float:
        """As the spec says."""
        return self.settings.percentile

    def line_name(self, table: CurveTable) -> str:
        """A quantile, counted from the lowest value."""
        shown = 100 - self.share if table.objective.is_maximized else self.share
        return f"{shown:g}% quantile"


def _is_alone(table: CurveTable, curve: TrialCurve) -> bool:
    """Whether no other trial runs, or was stopped, while a trial runs."""
    if curve.stage not in table.planned_epochs:
        return True
    began = table.clock if curve.began is None else curve.began
    stopped = next(table.stopped(curve.stage, since=began), None)
    return stopped is None and len(table.running(curve.stage)) <= 1


def _values_of_all(table: CurveTable, stage: int, epoch: int) -> _Values:
    """The values of a stage's trials at an epoch, of those that run as well."""
    column = table.column(stage, epoch)
    ordered, reports = list(column.ordered), column.reports
    for value in _incomplete(table, stage, epoch):
        reports += 1
        if not math.isnan(value):
            ordered.append(value)
    ordered.sort()
    return _Values(ordered, reports)


def _incomplete(table: CurveTable, stage: int, epoch: int) -> Iterator[float]:
    for curve in table.running(stage):
        value = curve.value_at(epoch)
        if value is not None:
            yield value
    for curve in table.stopped(stage):
        value = curve.value_at(epoch) if epoch <= curve.stopped_epoch else None
        if value is None:
            value = table.best_until(curve, curve.stopped_epoch)
        yield table.objective.sign * math.inf if curve.diverged or math.isnan(value) else value


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Linear interpolation between the values around index percent/100·(N − 1), as NumPy does it.

    Args:
        ordered: N values from the lowest up.
        percent: from 0 to 100.
    """
    position = percent / 100 * (len(ordered) - 1)
    below = math.floor(position)
    if below >= len(ordered) - 1:
        return ordered[-1]
    low, high, share = ordered[below], ordered[below + 1], position - below
    if share == 0 or low == high:  # infinite ones have no difference
        return low
    # From the nearer end, so that both ends come out exactly.
    return low + (high - low) * share if share < 0.5 else high - (high - low) * (1 - share)
