"""Pruners, one a file; `spec.pruner` names the class of each kind.

`judge_together` adds reports of trials to the table of curves; after each epoch, the `Pruner` says
which trials go on, and the table records those verdicts. So a study's trials meet a pruner:

>>> from hpsearch.spec.study import Objective
>>> pruner = pruner_for(spec.ThresholdPruner(kind="threshold", upper=1.0), seed=0)
>>> table = CurveTable(Objective(metric="val_loss", direction="minimize"))
>>> curve = table.add(number=7)
>>> judge(pruner, table, 7, [0.9]).stop, judge(pruner, table, 7, [1.2]).stop
(False, True)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from hpsearch.search.pruners.base import Pruner
from hpsearch.search.pruners.curve_table import CurveTable
from hpsearch.search.pruners.verdict import GO_ON, Verdict
from hpsearch.spec import pruner as spec
from hpsearch.spec.language.family import implementation

__all__ = ["GO_ON", "CurveTable", "Pruner", "Verdict", "judge", "judge_together", "pruner_for"]


def pruner_for(settings: spec.Pruner, seed: int) -> Pruner[Any] | None:
    """The pruner that a study asks for; none when every trial runs to its end.

    Args:
        settings: the spec's `pruner`.
        seed: the study's.
    """
    if not settings.stops_trials:
        return None
    pruner: type[Pruner[Any]] = implementation(type(settings))
    return pruner(settings, seed)


def judge(
    pruner: Pruner[Any], table: CurveTable, number: int, values: Sequence[float | None]
) -> Verdict:
    """As `judge_together`, of one trial alone; returns its verdict."""
    return judge_together(pruner, table, {number: values})[number]


def judge_together(
    pruner: Pruner[Any], table: CurveTable, values: Mapping[int, Sequence[float | None]]
) -> dict[int, Verdict]:
    """Adds the next epochs of some trials to the table and asks the pruner after each epoch.

    Epochs come in their order, and all trials that have one are in the table before any is judged
    at it. So nothing depends on the order of the trials.

    Args:
        pruner: whom to ask.
        table: where the trials were added.
        values: the objective by epoch, by trial; None where it was not measured, NaN always stops.

    Returns:
        By trial the verdict that stops it, from the first on that did; `GO_ON` before.
    """
    table.clock += 1
    waiting = {number: iter(trial_values) for number, trial_values in values.items()}
    for number in values:
        table.begin(number)
    while waiting:
        epoch = min(table.curves[number].done for number in waiting)
        reported = []
        for number in [n for n in waiting if table.curves[n].done == epoch]:
            for value in waiting[number]:
                table.report(number, [value])
                if value is not None and table.curves[number].stopped is None:
                    reported.append(number)
                break
            else:
                del waiting[number]
        _judge_epoch(pruner, table, reported)
    return {number: table.curves[number].stopped or GO_ON for number in values}


def _judge_epoch(pruner: Pruner[Any], table: CurveTable, numbers: Sequence[int]) -> None:
    """Records the verdicts on trials that have reported a value of the same epoch."""
    alive = []
    for number in numbers:
        curve = table.curves[number]
        if math.isnan(curve.value):
            why = f"epoch {curve.epoch}: {table.metric} is NaN"
            table.record(number, Verdict(stop=True, why=why, diverged=True))
        else:
            alive.append(number)
    for number, verdict in zip(alive, pruner.decide_together(table, alive), strict=True):
        table.record(number, verdict)
