"""Pruners, one a file; this table is where a new one is entered.

A study's trials meet them so:

    pruner = pruner_for(spec.pruner, spec.seed)
    table = CurveTable(objective)
    table.add(number)
    verdict = judge(pruner, table, number, [0.9])    # after each report
    table.complete(number)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from hpsearch.search.pruners.asha import Asha
from hpsearch.search.pruners.base import GO_ON, Pruner, Verdict
from hpsearch.search.pruners.curve_table import CurveTable
from hpsearch.search.pruners.hyperband import Hyperband
from hpsearch.search.pruners.median import Median
from hpsearch.search.pruners.patience import Patience
from hpsearch.search.pruners.percentile import Percentile
from hpsearch.search.pruners.threshold import Threshold
from hpsearch.spec import pruner as spec

__all__ = ["GO_ON", "PRUNERS", "CurveTable", "Pruner", "Verdict", "judge", "pruner_for"]

PRUNERS: Mapping[str, type[Pruner[Any]]] = {
    "median": Median,
    "percentile": Percentile,
    "asha": Asha,
    "hyperband": Hyperband,
    "patience": Patience,
    "threshold": Threshold,
}


def pruner_for(settings: spec.Pruner, seed: int) -> Pruner[Any] | None:
    """The pruner that a study asks for; none when every trial runs to its end.

    Args:
        settings: the spec's `pruner`.
        seed: the study's.
    """
    return None if settings.kind == "none" else PRUNERS[settings.kind](settings, seed)


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
