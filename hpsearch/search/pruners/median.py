"""Best value so far against the median of other trials at the same epoch."""

from __future__ import annotations

from hpsearch.search.pruners.curve_table import CurveTable
from hpsearch.search.pruners.percentile import Ranked
from hpsearch.spec.pruners.ranking import MedianPruner


class Median(Ranked[MedianPruner]):
    """Goes on with the better half."""

    share = 50.0

    def line_name(self, table: CurveTable) -> str:  # noqa: ARG002
        """The median, either way round."""
        return "median"
