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
    assert disagreement(members, of_classes=True) == pytest.approx(np.mean(pairs), abs=1e-12)


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.integers(2, 6))
def test_its_square_is_what_the_mean_gains_on_the_members(seed, count):
    rng = np.random.default_rng(seed)
    members, targets = rng.normal(size=(count, 9, 1)).astype(np.float32), rng.normal(size=9)
    own = np.square(members[..., 0].astype(np.float64) - targets).mean()
    together = np.square(members[..., 0].mean(0, dtype=np.float64) - targets).mean()
    assert disagreement(members, of_classes=False) ** 2 == pytest.approx(own - together)


@pytest.mark.parametrize("of_classes", [True, False])
def test_identical_members_do_not_differ_and_one_has_none_to_differ_from(of_classes):
    member = np.random.default_rng(0).random((1, 5, 3)).astype(np.float32)
    assert disagreement(np.repeat(member, 4, axis=0), of_classes) == 0
    assert disagreement(member, of_classes) is None
