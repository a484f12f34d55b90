"""Against SciPy's tests of the same names."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from hpsearch.advice.rank_tests import chi2_tail, groups_p, holm_corrected, lower_p, share_p

few = st.integers(0, 7).map(float)  # ties are common


@given(st.data())
def test_share_is_the_hypergeometric_tail(data: st.DataObject) -> None:
    trials = data.draw(st.integers(1, 300))
    part, best = data.draw(st.integers(0, trials)), data.draw(st.integers(1, trials))
    both = data.draw(st.integers(0, min(part, best)))
    expected = stats.hypergeom.sf(both - 1, trials, part, best)
    assert share_p(trials, part, best, both) == pytest.approx(expected, rel=1e-8, abs=1e-12)


@given(st.lists(st.lists(few, min_size=1, max_size=30), min_size=2, max_size=5))
def test_groups_is_kruskals_test(groups: list[list[float]]) -> None:
    assume(len({value for group in groups for value in group}) > 1)
    p, explained = groups_p(groups)
    assert p == pytest.approx(stats.kruskal(*groups).pvalue, rel=1e-8, abs=1e-12)
    assert 0 <= explained <= 1


@given(st.lists(few, min_size=1, max_size=20), st.lists(few, min_size=1, max_size=20))
def test_lower_is_mann_and_whitneys_test(group: list[float], rest: list[float]) -> None:
    assume(len({*group, *rest}) > 1)
    expected = stats.mannwhitneyu(
        group, rest, alternative="less", method="asymptotic", use_continuity=False
    )
    assert lower_p(group, rest) == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-9)


@given(st.floats(0, 200), st.integers(1, 30))
def test_chi_squares_tail(x: float, freedom: int) -> None:
    assert chi2_tail(x, freedom) == pytest.approx(stats.chi2.sf(x, freedom), rel=1e-8, abs=1e-15)


def test_equal_groups_do_not_differ() -> None:
    assert groups_p([[1.0, 1.0], [1.0]]) == (1.0, 0.0)
    assert lower_p([], [1.0]) == 1.0


def test_correction_is_holms() -> None:
    assert holm_corrected([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm_corrected([]) == []
