"""Best value so far against a percentile of complete trials at the same epoch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

from hpsearch.search.pruners.base import Pruner
from hpsearch.search.pruners.curve_table import CurveTable
from hpsearch.search.pruners.interval import is_due
from hpsearch.search.pruners.verdict import GO_ON, Verdict
from hpsearch.spec.language.messages import pluralize
from hpsearch.spec.pruners.ranking import PercentilePruner, RankPruner

R = TypeVar("R", bound=RankPruner)


class Ranked(Pruner[R]):
    """What median and percentile share; `share` is what goes on, in percent."""

    reads_curves = True

    def compare(self, table: CurveTable, number: int, share: float, name: str) -> Verdict:
        """Whether a trial is worse than those that make up the best `share`."""
        curve, settings = table.curves[number], self.settings
        complete = table.completed[curve.stage]
        if complete == 0 or complete < settings.startup_trials:
            return GO_ON
        if not is_due(settings, curve.epochs):
            return GO_ON
        if math.isnan(curve.best):
            return Verdict(stop=True, why=f"epoch {curve.epoch}: {table.metric} was NaN throughout")
        column = table.column(curve.stage, curve.epoch)
        if column.reports < settings.min_trials or not column.ordered:
            return GO_ON
        line = percentile(column.ordered, 100 - share if table.objective.is_maximized else share)
        if not table.is_better(line, curve.best):
            return GO_ON
        best = f"{curve.best:.4g}"
        if curve.best != curve.value:
            best += " at best"
        return Verdict(
            stop=True,
            why=f"epoch {curve.epoch}: {table.metric} {best} is worse than the {name} {line:.4g} "
            f"of {pluralize(len(column.ordered), 'trial')}",
        )


class Percentile(Ranked[PercentilePruner]):
    """Goes on with the best `percentile` percent."""

    def decide(self, table: CurveTable, number: int) -> Verdict:
        """Stops a trial whose best value is worse than the percentile of complete trials."""
        share = self.settings.percentile
        shown = 100 - share if table.objective.is_maximized else share
        return self.compare(table, number, share, f"{shown:g}% quantile")


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
    # From the nearer end, so that both ends come out exactly.
    return low + (high - low) * share if share < 0.5 else high - (high - low) * (1 - share)
