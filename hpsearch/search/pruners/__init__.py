"""Pruners, one a file; `spec.pruner` names the class of each kind.

A study's trials meet them so:

    pruner = pruner_for(spec.pruner, spec.seed)
    table = CurveTable(objective)
    table.add(number)
    verdict = judge(pruner, table, number, [0.9])    # after each report
    table.complete(number)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from hpsearch.search.pruners.base import GO_ON, Pruner, Verdict
from hpsearch.search.pruners.curve_table import CurveTable
from hpsearch.spec import pruner as spec
from hpsearch.spec.language.family import implementation

__all__ = ["GO_ON", "CurveTable", "Pruner", "Verdict", "judge", "pruner_for"]


def pruner_for(settings: spec.Pruner, seed: int) -> Pruner[Any] | None:
    """The pruner that a study asks for; none when every trial runs to its end.

    Args:
        settings: the spec's `pruner`.
        seed: the study's.
    """
    if not settings.implementation:
        return None
    pruner: type[Pruner[Any]] = implementation(type(settings))
    return pruner(settings, seed)


def judge(
    pruner: Pruner[Any], table: CurveTable, number: int, values: Sequence[float | None]
) -> Verdict:
    """Takes on a trial's next epochs and asks after each; once it says stop, that holds.

    Args:
        pruner: whom to ask.
        table: where the trial was added.
        number: the trial's.
        values: the objective by epoch; None where it was not measured, NaN always stops.
    """
    curve = table.curves[number]
    for value in values:
        table.report(number, [value])
        if value is None or curve.stopped is not None:
            continue
        if math.isnan(value):
            why = f"epoch {curve.epoch}: {table.metric} is NaN"
            table.note(number, Verdict(stop=True, why=why))
        else:
            table.note(number, pruner.decide(table, number))
    return curve.stopped or GO_ON
