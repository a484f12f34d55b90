"""Asynchronous successive halving.

With η the reduction factor, s the early-stopping rate and m the least epochs, rung r is at epoch
m·η^(s + r). Of n trials that entered it so far, the best max(1, ⌊n/η⌋) go on; none is recalled
when a better one comes later (Li et al. 2020, https://arxiv.org/abs/1810.05934).
"""

from __future__ import annotations

import math

from hpsearch.search.pruners.base import Pruner
from hpsearch.search.pruners.curve_table import CurveTable
from hpsearch.search.pruners.verdict import GO_ON, Rung, Verdict
from hpsearch.spec.language.messages import pluralize
from hpsearch.spec.pruners.halving import AshaPruner, HyperbandPruner


class Asha(Pruner[AshaPruner]):
    """One bracket of rungs."""

    @property
    def reads_max_epochs(self) -> bool:
        """Without `min_epochs`: the first rung is then at a share of the longest trial."""
        return self.settings.min_epochs is None

    def decide(self, table: CurveTable, number: int) -> Verdict:
        """Stops a trial that is not among the best at a rung that it has just reached."""
        settings, least = self.settings, self.settings.min_epochs
        if least is None:
            most = table.max_epochs_of(table.curves[number].stage)
            if most is None:
                return GO_ON
            least = max((most - 1) // 100, 1)
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

    Returns:
        The verdict, with the rungs that the trial has entered at its last report.
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
        others = table.rung_values(curve.stage, (bracket, epoch))
        entered[bracket, epoch] = value
        present, better = len(others) + 1, table.count_better(others, value)
        survivors = max(1, present // settings.reduction_factor)
        if not is_past and (present <= settings.bootstrap_trials or better >= survivors):
            rank = (
                f"among the first {settings.bootstrap_trials} at the rung of epoch {epoch}, none "
                "of which goes on"
                if present <= settings.bootstrap_trials
                else f"number {better + 1} of {pluralize(present, 'trial')} at the rung of epoch "
                f"{epoch}, of which the best {survivors} go on"
            )
            why = f"epoch {curve.epoch}: {table.metric} {value:.4g} is {rank}"
            return Verdict(stop=True, why=why, rungs=entered)
        epoch *= settings.reduction_factor
