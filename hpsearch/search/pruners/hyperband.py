"""Hyperband: successive halving in brackets whose first rungs lie ever higher.

With R the most epochs, r the least and η the reduction factor there are
B = ⌊log_η(R/r)⌋ + 1 brackets; bracket b has its first rung at r·η^b and gets
⌈B·η^(B−1−b)/(B − b)⌉ of their sum of the trials (Li et al. 2018, algorithm 1).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from itertools import accumulate
from zlib import crc32

from hpsearch.search.pruners.asha import halve
from hpsearch.search.pruners.base import Pruner
from hpsearch.search.pruners.curve_table import CurveTable
from hpsearch.search.pruners.verdict import GO_ON, Verdict
from hpsearch.spec.pruners.halving import HyperbandPruner


class Hyperband(Pruner[HyperbandPruner]):
    """Trials compete in the bracket that (study seed, trial number) puts them into."""

    @property
    def reads_max_epochs(self) -> bool:
        """Without `max_epochs`: the longest trial then says how many brackets there are."""
        return self.settings.max_epochs is None

    def decide(self, table: CurveTable, number: int) -> Verdict:
        """Stops a trial that is not among the best of its bracket at a rung just reached."""
        settings = self.settings
        most = settings.max_epochs or table.max_epochs_of(table.curves[number].stage)
        if most is None or most < settings.min_epochs:
            return GO_ON
        bracket = self.bracket_of(number, most)
        first = settings.min_epochs * settings.reduction_factor**bracket
        return halve(settings, table, number, first, bracket)

    def bracket_of(self, number: int, most: int) -> int:
        """The bracket of a trial, when trials have at most so many epochs."""
        factor, least = self.settings.reduction_factor, self.settings.min_epochs
        brackets = math.floor(math.log(most / least, factor)) + 1
        weights = [
            math.ceil(brackets * factor ** (brackets - 1 - bracket) / (brackets - bracket))
            for bracket in range(brackets)
        ]
        ends = list(accumulate(weights))
        return bisect_right(ends, crc32(f"{self.seed}_{number}".encode()) % ends[-1])
