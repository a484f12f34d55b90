from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpsearch.ensembling.diversity import disagreement


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.integers(2, 6), st.integers(2, 4))
def test_classes_differ_on_the_mean_share_over_all_pairs(seed, count, classes):
    members = np.random.default_rng(seed).random((count, 9, classes)).astype(np.float32)
    said = members.argmax(2)
    pairs = [(one != other).mean() for one, other in combinations(said, 2)]
    assert disagreement(members, is_classification=True) == pytest.approx(np.mean(pairs), abs=1e-12)


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.integers(2, 6))
def test_its_square_is_what_the_mean_gains_on_the_members(seed, count):
    rng = np.random.default_rng(seed)
    members, targets = rng.normal(size=(count, 9, 1)).astype(np.float32), rng.normal(size=9)
    own = np.square(members[..., 0].astype(np.float64) - targets).mean()
    together = np.square(members[..., 0].mean(0, dtype=np.float64) - targets).mean()
    assert disagreement(members, is_classification=False) ** 2 == pytest.approx(own - together)


@pytest.mark.parametrize("is_classification", [True, False])
def test_identical_members_do_not_differ_and_one_has_none_to_differ_from(is_classification):
    member = np.random.default_rng(0).random((1, 5, 3)).astype(np.float32)
    assert disagreement(np.repeat(member, 4, axis=0), is_classification) == 0
    assert disagreement(member, is_classification) is None
