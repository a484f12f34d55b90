"""No progress for some epochs."""

from __future__ import annotations

import math
from collections.abc import Iterable

from hpsearch.search.pruners.base import Pruner
from hpsearch.search.pruners.curve_table import CurveTable
from hpsearch.search.pruners.verdict import GO_ON, Verdict
from hpsearch.spec.language.messages import pluralize
from hpsearch.spec.pruners.own_curve import PatiencePruner


class Patience(Pruner[PatiencePruner]):
    """Compares a trial with itself alone."""

    def why_idle(self, epochs: int, trials: int) -> str | None:  # noqa: ARG002
        """Where trials are over before it may lose its patience."""
        needed = self.settings.patience + 2
        if needed < epochs:
            return None
        return (
            f"its patience of {pluralize(self.settings.patience, 'epoch')} takes {needed} to run "
            f"out and trials train {pluralize(epochs, 'epoch')}; lower pruner.patience or train "
            "longer"
        )

    def decide(self, table: CurveTable, number: int) -> Verdict:
        """Stops a trial whose best value of late is worse than its best before, by `min_delta`."""
        curve, last = table.curves[number], self.settings.patience + 1
        if len(curve.values) <= last:
            return GO_ON
        before = _best(table, curve.values[:-last])
        since = _best(table, curve.values[-last:])
        line = before + table.objective.sign * self.settings.min_delta
        if not table.is_better(line, since):
            return GO_ON
        return Verdict(
            stop=True,
            why=f"epoch {curve.epoch}: {table.metric} {since:.4g} at best in the last "
            f"{pluralize(last, 'epoch')} is worse than {before:.4g} before",
        )


def _best(table: CurveTable, values: Iterable[float]) -> float:
    numbers = (value for value in values if not math.isnan(value))
    return min(numbers, key=table.objective.sort_key, default=math.nan)
