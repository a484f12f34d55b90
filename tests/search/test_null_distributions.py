"""Chances against enumeration and SciPy."""

from __future__ import annotations

from itertools import combinations
from math import comb

import pytest
from scipy.stats import hypergeom, mannwhitneyu

from hpsearch.search.null_distributions import absence_p_value, rank_sum_p_value, span_p_value


@pytest.mark.parametrize(("tried", "kept"), [(5, 2), (8, 3), (9, 4), (10, 7)])
def test_the_chance_of_a_span_is_that_of_all_choices_counted(tried: int, kept: int) -> None:
    spans = [chosen[-1] - chosen[0] + 1 for chosen in combinations(range(tried), kept)]
    for span in range(kept, tried + 1):
        counted = sum(found <= span for found in spans) / comb(tried, kept)
        assert span_p_value(tried, kept, span) == pytest.approx(counted)


@pytest.mark.parametrize("kept", [(7, 8, 9), (1, 2, 3), (2, 5, 9, 10), (10, 11, 12, 3, 4)])
def test_the_rank_sum_p_value_is_mann_and_whitney_s(kept: tuple[int, ...]) -> None:
    others = [rank for rank in range(1, 13) if rank not in kept]
    oracle = mannwhitneyu(
        kept, others, alternative="greater", method="asymptotic", use_continuity=False
    )
    assert rank_sum_p_value(12, len(kept), sum(kept)) == pytest.approx(oracle.pvalue)


@pytest.mark.parametrize(("tried", "kept", "special"), [(24, 6, 12), (24, 6, 0), (10, 3, 8)])
def test_the_absence_p_value_is_hypergeometric(tried: int, kept: int, special: int) -> None:
    oracle = hypergeom(tried, special, kept).pmf(0)
    assert absence_p_value(tried, kept, special) == pytest.approx(oracle)
