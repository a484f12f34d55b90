"""When a trial is stopped before its end.

A pruner is asked after each report whether the trial goes on; it compares trials of one stage by
the (first) objective. Epochs count from 0, as in curves. A value that is NaN always ends a trial.
A stopped trial keeps its curve, counts as pruned, and is never the study's best.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

from hpsearch.spec.language.family import Family
from hpsearch.spec.pruners.base import PrunerBase
from hpsearch.spec.pruners.halving import AshaPruner, HyperbandPruner
from hpsearch.spec.pruners.own_curve import NoPruner, PatiencePruner, ThresholdPruner
from hpsearch.spec.pruners.ranking import MedianPruner, PercentilePruner

PRUNERS = Family(
    NoPruner,
    MedianPruner,
    PercentilePruner,
    AshaPruner,
    HyperbandPruner,
    PatiencePruner,
    ThresholdPruner,
    default="none",
)
"""The table of pruners: a new one is a class in hpsearch/spec/pruners and a line here."""

Pruner: TypeAlias = Annotated[PrunerBase, PRUNERS]
