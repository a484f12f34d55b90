"""Pruners, one a file; `spec.pruner` names the class of each kind.

`judge` adds reports of a trial to the table of curves; after each, `Pruner.decide` says whether the
trial goes on, and the table records that `Verdict`. So a study's trials meet a pruner:

>>> from hpsearch.spec.study import Objective
>>> pruner = pruner_for(spec.ThresholdPruner(kind="threshold", upper=1.0), seed=0)
>>> table = CurveTable(Objective(metric="val_loss", direction="minimize"))
>>> curve = table.add(number=7)
>>> judge(pruner, table, 7, [0.9]).stop, judge(pruner, table, 7, [1.2]).stop
(False, True)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from hpsearch.search.pruners.base import Pruner
from hpsearch.search.pruners.curve_table import CurveTable
from hpsearch.search.pruners.verdict import GO_ON, Verdict
from hpsearch.spec import pruner as spec
from hpsearch.spec.language.family import implementation

__all__ = ["GO_ON", "CurveTable", "Pruner", "Verdict", "judge", "pruner_for"]


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
    """Adds a trial's next epochs to the table and asks the pruner after each.

    Args:
        pruner: whom to ask.
        table: where the trial was added.
        number: the trial's.
        values: the objective by epoch; None where it was not measured, NaN always stops.

    Returns:
        The verdict that stops the trial, from the first on that did; `GO_ON` before.
    """
    curve = table.curves[number]
    for value in values:
        table.report(number, [value])
        if value is None or curve.stopped is not None:
            continue
        if math.isnan(value):
            why = f"epoch {curve.epoch}: {table.metric} is NaN"
            table.record(number, Verdict(stop=True, why=why))
        else:
            table.record(number, pruner.decide(table, number))
    return curve.stopped or GO_ON
