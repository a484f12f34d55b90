"""A value beyond a limit that a person gives."""

from __future__ import annotations

import math

from hpsearch.search.pruners.base import Pruner
from hpsearch.search.pruners.curve_table import CurveTable
from hpsearch.search.pruners.interval import is_due
from hpsearch.search.pruners.verdict import GO_ON, Verdict
from hpsearch.spec.language.messages import pluralize
from hpsearch.spec.pruners.own_curve import ThresholdPruner


class Threshold(Pruner[ThresholdPruner]):
    """Looks at the latest value alone."""

    def why_idle(self, epochs: int, trials: int) -> str | None:  # noqa: ARG002
        """Where trials are over before its warm-up."""
        if self.settings.warmup_epochs + 1 < epochs:
            return None
        return (
            f"it looks from epoch {self.settings.warmup_epochs} (counted from 0) on and trials "
            f"train {pluralize(epochs, 'epoch')}; lower pruner.warmup_epochs or train longer"
        )

    def decide(self, table: CurveTable, number: int) -> Verdict:
        """Stops a trial whose last value is below `lower`, above `upper`, or NaN."""
        curve, settings = table.curves[number], self.settings
        if not is_due(settings.warmup_epochs, settings.interval_epochs, curve):
            return GO_ON
        here = f"epoch {curve.epoch}: {table.metric} {curve.value:.4g}"
        if math.isnan(curve.value):
            return Verdict(stop=True, why=f"epoch {curve.epoch}: {table.metric} is NaN")
        if settings.lower is not None and curve.value < settings.lower:
            return Verdict(stop=True, why=f"{here} is below {settings.lower:g}")
        if settings.upper is not None and curve.value > settings.upper:
            return Verdict(stop=True, why=f"{here} is above {settings.upper:g}")
        return GO_ON
