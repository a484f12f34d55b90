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

from hpsearch.search.pruners.asha import Halving, Rungs
from hpsearch.search.pruners.curve_table import CurveTable
from hpsearch.spec.pruners.halving import HyperbandPruner


class Hyperband(Halving[HyperbandPruner]):
    """Trials compete in the bracket that (study seed, trial number) puts them into."""

    @property
    def reads_max_epochs(self) -> bool:
        """Without `max_epochs`: the longest trial then says how many brackets there are."""
        return self.settings.max_epochs is None

    def first_epoch(self, epochs: int) -> int:
        """That of the first bracket."""
        return self.settings.min_epochs or self.settings.default_min_epochs(max(1, epochs - 1))

    def rungs_of(self, table: CurveTable, number: int) -> Rungs | None:
        """Those of the trial's bracket."""
        settings, stage = self.settings, table.curves[number].stage
        most = settings.max_epochs or table.max_epochs_of(stage)
        if most is None:
            return None
        least = settings.min_epochs
        if least is None and stage in table.planned_epochs:
            most = max(1, most - 1)  # epochs count from 0, and after the last nothing can be saved
            least = settings.default_min_epochs(most)
        least = least or 1
        if most < least:
            return None
        bracket = self.bracket_of(number, least, most)
        return Rungs(least * settings.reduction_factor**bracket, bracket)

    def bracket_of(self, number: int, least: int, most: int) -> int:
        """The bracket of a trial, when trials have from `least` to `most` epochs."""
        factor = self.settings.reduction_factor
        brackets = math.floor(math.log(most / least, factor)) + 1
        weights = [
            math.ceil(brackets * factor ** (brackets - 1 - bracket) / (brackets - bracket))
            for bracket in range(brackets)
        ]
        ends = list(accumulate(weights))
        return bisect_right(ends, crc32(f"{self.seed}_{number}".encode()) % ends[-1])
