"""Asynchronous successive halving.

With η the reduction factor, s the early-stopping rate and m the least epochs, rung r is at epoch
m·η^(s + r). Of n trials that entered it so far, the best max(1, ⌊n/η⌋) go on; none is recalled
when a better one comes later (Li et al. 2020, https://arxiv.org/abs/1810.05934).
"""

from __future__ import annotations

import math

from hpsearch.search.pruners.base import GO_ON, Pruner, Rung, Verdict
from hpsearch.search.pruners.curve_table import CurveTable
from hpsearch.spec.language.messages import pluralize
from hpsearch.spec.pruner import AshaPruner, HyperbandPruner


class Asha(Pruner[AshaPruner]):
    """One bracket of rungs."""

    @property
    def reads_lengths(self) -> bool:
        """As the base class says."""
        return self.settings.min_epochs is None

    def decide(self, table: CurveTable, number: int) -> Verdict:
        """As the base class says."""
        settings, least = self.settings, self.settings.min_epochs
        if least is None:
            length = table.length(table.curves[number].stage)
            if length is None:
                return GO_ON
            least = max((length - 1) // 100, 1)
        first = least * settings.reduction_factor**settings.min_early_stopping_rate
        return halve(settings, table, number, first)


def halve(
    settings: AshaPruner | HyperbandPruner,
    table: CurveTable,
    number: int,
    first: int,
    bracket: int = 0,
) -> Verdict:
    """Whether a trial stops at the rungs that it has reached.

    Args:
        settings: reduction factor and bootstrap.
        table: the curves.
        number: the trial's.
        first: epoch of the first rung.
        bracket: whose rungs these are.
    """
    curve = table.curves[number]
    entered: dict[Rung, float] = {}
    epoch = first
    while True:
        while (bracket, epoch) in curve.rungs:
            epoch *= settings.reduction_factor
        if curve.epoch < epoch:
            return Verdict(stop=False, rungs=entered)
        # What was trained as another trial counts as it was then, and is not judged again.
        is_past = epoch < curve.inherited and epoch in curve.epochs
        value = curve.values[curve.epochs.index(epoch)] if is_past else curve.value
        if math.isnan(value):
            why = f"epoch {curve.epoch}: {table.metric} is NaN"
            return Verdict(stop=True, why=why, rungs=entered)
        others = table.entered(curve.stage, (bracket, epoch))
        entered[bracket, epoch] = value
        present, ahead = len(others) + 1, table.ahead(others, value)
        places = max(1, present // settings.reduction_factor)
        if not is_past and (present <= settings.bootstrap_trials or ahead >= places):
            rank = (
                f"among the first {settings.bootstrap_trials} at the rung of epoch {epoch}, none "
                "of which goes on"
                if present <= settings.bootstrap_trials
                else f"number {ahead + 1} of {pluralize(present, 'trial')} at the rung of epoch "
                f"{epoch}, of which the best {places} go on"
            )
            why = f"epoch {curve.epoch}: {table.metric} {value:.4g} is {rank}"
            return Verdict(stop=True, why=why, rungs=entered)
        epoch *= settings.reduction_factor
