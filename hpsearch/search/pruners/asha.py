"""Asynchronous successive halving.

With η the reduction factor, s the early-stopping rate and m the least epochs, rung r is at epoch
m·η^(s + r). Of n trials that entered it so far, the best max(1, ⌊n/η⌋) go on; none is recalled
when a better one comes later (Li et al. 2020, https://arxiv.org/abs/1810.05934).

Where the spec says how long trials are, a trial is ranked by its best value so far, as in the end;
the paper and Optuna take the value at the rung, which loses the best of a few noisy curves three
times as often (docs/search.md), and so does this where a person's own loop trains for as long as it
likes. Trials that come to a rung with one batch of reports all enter it before any is judged.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from hpsearch.search.pruners.base import Pruner
from hpsearch.search.pruners.curve_table import CurveTable, TrialCurve
from hpsearch.search.pruners.verdict import Rung, Verdict
from hpsearch.spec.language.messages import pluralize
from hpsearch.spec.pruners.halving import AshaPruner, HalvingPruner

H = TypeVar("H", bound=HalvingPruner)

ALONE = "there is one trial, and nothing to compare it with; add trials"


@dataclass(frozen=True)
class Rungs:
    """Where a trial is compared: `bracket`, and the epoch of its first rung."""

    first: int
    bracket: int = 0


@dataclass
class _Arrival:
    """A trial whose reports are judged; `entered` are the rungs that it came to with them."""

    curve: TrialCurve
    rungs: Rungs
    entered: dict[Rung, float] = field(default_factory=dict)


class Halving(Pruner[H]):
    """What `asha` and `hyperband` share."""

    @abstractmethod
    def rungs_of(self, table: CurveTable, number: int) -> Rungs | None:
        """Where a trial is compared; none while it is not known how long trials are."""

    @abstractmethod
    def first_epoch(self, epochs: int) -> int:
        """Where the lowest rung is when trials have so many epochs."""

    def why_idle(self, epochs: int, trials: int) -> str | None:
        """Where no rung lies before the last epoch, or nobody is there to compare with."""
        first = self.first_epoch(epochs)
        if first + 1 >= epochs:
            return (
                f"its first rung is after epoch {first} (counted from 0) and trials train "
                f"{pluralize(epochs, 'epoch')}; lower pruner.min_epochs or train longer"
            )
        return None if trials > 1 else ALONE

    def decide(self, table: CurveTable, number: int) -> Verdict:
        """Stops a trial that is not among the best at a rung that it has just reached."""
        return self.decide_together(table, [number])[0]

    def decide_together(self, table: CurveTable, numbers: Sequence[int]) -> list[Verdict]:
        """Judges from the lowest rung up, at each all that have come to it together."""
        verdicts = dict.fromkeys(numbers, Verdict(stop=False))
        arrivals = []
        for number in numbers:
            rungs = self.rungs_of(table, number)
            if rungs is not None:
                arrivals.append(_Arrival(table.curves[number], rungs))
        while arrivals:
            by_epoch: defaultdict[int, list[_Arrival]] = defaultdict(list)
            for arrival in arrivals:
                epoch = self._next_epoch(arrival.curve.rungs, arrival.rungs, arrival.entered)
                if epoch <= arrival.curve.epoch:
                    by_epoch[epoch].append(arrival)
                elif arrival.entered:
                    verdicts[arrival.curve.number] = Verdict(stop=False, rungs=arrival.entered)
            if not by_epoch:
                break
            lowest = min(by_epoch)
            stopped = self._judge(table, lowest, by_epoch.pop(lowest))
            verdicts.update(stopped)
            arrivals = [arrival for arrival in arrivals if arrival.curve.number not in stopped]
        return [verdicts[number] for number in numbers]

    def _next_epoch(
        self, known: Mapping[Rung, float], rungs: Rungs, entered: Mapping[Rung, float]
    ) -> int:
        epoch = rungs.first
        while (rungs.bracket, epoch) in known or (rungs.bracket, epoch) in entered:
            epoch *= self.settings.reduction_factor
        return epoch

    def _judge(
        self, table: CurveTable, epoch: int, arrivals: Sequence[_Arrival]
    ) -> dict[int, Verdict]:
        """The verdicts on those that stop at the rung of an epoch, by trial number."""
        verdicts: dict[int, Verdict] = {}
        came: defaultdict[tuple[int, Rung], list[float]] = defaultdict(list)
        judged: list[tuple[_Arrival, float]] = []
        for arrival in arrivals:
            curve, rung = arrival.curve, (arrival.rungs.bracket, epoch)
            planned = curve.stage in table.planned_epochs
            # What was trained as another trial counts as it was then, and is not judged again.
            is_past = epoch < curve.inherited and curve.value_at(epoch) is not None
            at = epoch if is_past else curve.epoch
            value = table.best_until(curve, at) if planned else curve.value_at(at)
            if value is None or math.isnan(value):
                why = f"epoch {curve.epoch}: {table.metric} is NaN"
                verdicts[curve.number] = Verdict(
                    stop=True, why=why, diverged=True, rungs=arrival.entered
                )
                continue
            arrival.entered[rung] = value
            came[curve.stage, rung].append(value)
            # A stop after the last epoch would save nothing.
            if not (is_past or (planned and curve.epoch + 1 >= table.planned_epochs[curve.stage])):
                judged.append((arrival, value))
        present = {
            (stage, rung): sorted([*table.rung_values(stage, rung), *values])
            for (stage, rung), values in came.items()
        }
        for arrival, value in judged:
            values = present[arrival.curve.stage, (arrival.rungs.bracket, epoch)]
            count = len(values) + self._diverged(table, arrival, epoch)
            rank = self._rank(epoch, count, table.count_better(values, value))
            if rank is not None:
                why = f"epoch {arrival.curve.epoch}: {table.metric} {value:.4g} is {rank}"
                verdicts[arrival.curve.number] = Verdict(stop=True, why=why, rungs=arrival.entered)
        return verdicts

    def _rank(self, epoch: int, present: int, better: int) -> str | None:
        """What keeps a trial from going past a rung; none where it goes on."""
        bootstrap = self.settings.bootstrap_trials
        if present <= bootstrap:
            return (
                f"among the first {bootstrap} at the rung of epoch {epoch}, none of which goes on"
            )
        survivors = max(1, present // self.settings.reduction_factor)
        if better < survivors:
            return None
        return (
            f"number {better + 1} of {pluralize(present, 'trial')} at the rung of epoch {epoch}, "
            f"of which the best {survivors} go on"
        )

    def _diverged(self, table: CurveTable, arrival: _Arrival, epoch: int) -> int:
        """How many trials diverged on the way to this rung while the trial ran.

        They would be the last there: without them one of the others would have to be.
        """
        curve, rungs = arrival.curve, arrival.rungs
        if curve.stage not in table.planned_epochs:
            return 0
        began = table.clock if curve.began is None else curve.began
        return sum(
            other.diverged
            and other.number != curve.number
            and self.rungs_of(table, other.number) == rungs
            and self._next_epoch(other.rungs, rungs, {}) == epoch
            for other in table.stopped(curve.stage, since=began)
        )


class Asha(Halving[AshaPruner]):
    """One bracket of rungs."""

    @property
    def reads_max_epochs(self) -> bool:
        """Without `min_epochs`: the first rung is then at a share of the longest trial."""
        return self.settings.min_epochs is None

    def first_epoch(self, epochs: int) -> int:
        """The given one, or a third of the way, raised by the early-stopping rate."""
        settings = self.settings
        least = settings.min_epochs or settings.default_min_epochs(epochs)
        first: int = least * settings.reduction_factor**settings.min_early_stopping_rate
        return first

    def rungs_of(self, table: CurveTable, number: int) -> Rungs | None:
        """The same for all trials of a stage."""
        settings, stage = self.settings, table.curves[number].stage
        most = table.max_epochs_of(stage)
        if settings.min_epochs is not None or (most is not None and stage in table.planned_epochs):
            return Rungs(self.first_epoch(most or 1))
        if most is None:
            return None
        least = max((most - 1) // 100, 1)
        return Rungs(least * settings.reduction_factor**settings.min_early_stopping_rate)
