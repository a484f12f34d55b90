"""Best value so far against the median of complete trials at the same epoch."""

from __future__ import annotations

from hpsearch.search.pruners.curve_table import CurveTable
from hpsearch.search.pruners.percentile import Ranked
from hpsearch.search.pruners.verdict import Verdict
from hpsearch.spec.pruners.ranking import MedianPruner


class Median(Ranked[MedianPruner]):
    """Goes on with the better half."""

    def decide(self, table: CurveTable, number: int) -> Verdict:
        """Stops a trial whose best value is worse than the median of complete trials."""
        return self.compare(table, number, 50.0, "median")
