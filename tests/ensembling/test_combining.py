from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from hpsearch.ensembling.combining import combine, probabilities
from hpsearch.errors import InvalidInput


def members(*rows):
    """[M, 1, C]: each argument is what a member says of the only row."""
    return np.array(rows, np.float32)[:, None, :]


@pytest.mark.parametrize(
    ("said", "weights", "shares", "label"),
    [
        ([(1, 0, 0), (0, 1, 0), (0, 0.75, 0.25)], (1, 1, 1), (1 / 3, 2 / 3, 0), 1),
        ([(1, 0, 0), (0, 1, 0), (0, 0.75, 0.25)], (2, 1, 0.5), (4 / 7, 3 / 7, 0), 0),
        # a tie of votes goes to the larger mean: 0.375 against 0.5
        ([(0.75, 0.25, 0), (0, 0.75, 0.25)], (1, 1), (0.5, 0.5, 0), 1),
        # a third class with the largest mean, 0.5, had no vote
        ([(0.5, 0, 0.5), (0, 0.5, 0.5)], (1, 1), (0.5, 0.5, 0), 0),
        # equal votes, equal means: the first of both
        ([(0, 0.75, 0.25), (0, 0.25, 0.75)], (1, 1), (0, 0.5, 0.5), 1),
        # a member with equal classes votes for the first
        ([(0.25, 0.375, 0.375)], (1,), (0, 1, 0), 1),
        # 0.1 + 0.2 against 0.3 is a tie, whatever floats say of it
        ([(0.75, 0.25, 0)] * 2 + [(0, 1, 0)], (0.1, 0.2, 0.3), (0.5, 0.5, 0), 1),
    ],
)
def test_majority_votes(said, weights, shares, label):
    voted = combine(members(*said), np.array(weights), "vote")
    assert voted.values[0] == pytest.approx(shares, abs=1e-15)
    assert voted.labels.tolist() == [label]


@pytest.mark.parametrize(
    ("said", "weights", "shares", "label"),
    [
        ([(1, 0), (0, 1)], (1, 1), (0.5, 0.5), 0),
        ([(1, 0), (0, 1)], (1, 3), (0.25, 0.75), 1),
        ([(1, 0), (0, 1), (0.5, 0.5)], (2, 4, 2), (0.375, 0.625), 1),
        ([(1, 0), (0, 1)], (0, 3), (0, 1), 1),
        ([(0, 0.5, 0.5), (0, 0.25, 0.75)], (1, 0), (0, 0.5, 0.5), 1),
    ],
)
def test_weighted_means(said, weights, shares, label):
    for how in ("mean", "weighted"):
        mean = combine(members(*said), np.array(weights), how)
        assert mean.values.tolist() == [list(shares)]
        assert mean.labels.tolist() == [label]


@pytest.mark.parametrize(
    ("said", "weights", "expected"),
    [
        ((3, 1, 2), (1, 1, 1), 2),
        ((3, 1, 2, 10), (1, 1, 1, 1), 2.5),
        ((3, 1, 2), (2, 1, 1), 2.5),
        ((3, 1, 2), (3, 1, 1), 3),
        ((3, 1, 2), (0.3, 0.2, 0.1), 2.5),
        ((3, 1, 2), (1, 0, 1), 2.5),
        ((7,), (0.1,), 7),
    ],
)
def test_weighted_medians(said, weights, expected):
    numbers = np.array(said, np.float32)[:, None, None]
    median = combine(numbers, np.array(weights), "median", is_classification=False)
    assert median.values.tolist() == [[expected]]
    assert median.labels is None


@settings(max_examples=60)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=6), st.integers(0, 10_000))
def test_weights_are_how_often_a_member_counts(counts, seed):
    if not any(counts):
        counts[0] = 1
    said = np.random.default_rng(seed).integers(0, 4, (len(counts), 5, 1)).astype(np.float32)
    repeated = np.repeat(said, counts, axis=0).astype(np.float64)
    for how, expected in (("mean", repeated.mean(0)), ("median", np.median(repeated, axis=0))):
        found = combine(said, np.array(counts), how, is_classification=False).values
        assert found == pytest.approx(expected, abs=1e-12)


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.integers(1, 7), st.integers(2, 5))
def test_one_member_and_identical_members_say_exactly_what_it_says(seed, count, classes):
    rng = np.random.default_rng(seed)
    member = probabilities(4 * rng.normal(size=(6, classes)))
    said = np.repeat(member[None], count, axis=0)
    weights = rng.random(count) + 1e-3
    for how in ("mean", "weighted", "vote"):
        found = combine(said, weights, how)
        assert found.labels.tolist() == member.argmax(1).tolist()
        expected = member if how != "vote" else np.eye(classes)[member.argmax(1)]
        assert (found.values == expected).all()
    for how in ("mean", "weighted", "median"):
        numbers = combine(said[..., :1], weights, how, is_classification=False)
        assert (numbers.values == member[:, :1]).all()


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.sampled_from(["mean", "weighted", "vote", "median"]))
def test_a_row_gets_alone_what_it_gets_among_others(seed, how):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(4, 9, 19)).astype(np.float32)
    said, weights = probabilities(logits), rng.random(4) + 0.1
    together = combine(said, weights, how, is_classification=how != "median")
    for row in range(9):
        alone_said = probabilities(logits[:, row : row + 1])
        assert (alone_said == said[:, row : row + 1]).all()
        assert (probabilities(logits[0, row : row + 1]) == said[0, row]).all()
        alone = combine(alone_said, weights, how, is_classification=how != "median")
        assert (alone.values[0] == together.values[row]).all()
        assert how == "median" or alone.labels[0] == together.labels[row]


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.sampled_from([1e-3, 1.0, 1e3, 1e30]))
def test_probabilities_are_the_softmax(seed, scale):
    logits = (scale * np.random.default_rng(seed).normal(size=(3, 4, 5))).astype(np.float32)
    found = probabilities(logits)
    assert found.dtype == np.float32
    assert found == pytest.approx(softmax(logits.astype(np.float64), axis=-1), rel=1e-6, abs=1e-40)
    assert np.asfortranarray(logits).strides != logits.strides
    assert (probabilities(np.asfortranarray(logits)) == found).all()


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_a_logit_that_is_not_finite_spoils_its_row_alone(broken):
    found = probabilities(np.array([[0.0, broken, 1.0], [0.0, 0.0, 0.0]]))
    assert np.isnan(found[0]).all()
    assert found[1] == pytest.approx([1 / 3] * 3)


def test_what_cannot_be_combined_is_refused():
    said = np.full((2, 3, 2), 0.5, np.float32)
    for weights, how, is_classification, rule in (
        ([1, 1], "vote", False, "combine: must be mean, weighted or median for numbers"),
        ([1, 1], "median", True, "combine: must be mean, weighted or vote for classes"),
        ([1, 1, 1], "mean", True, "weights: must be one for each"),
        ([0, 0], "mean", True, "weights: must be finite, .* at least 0"),
        ([1, -1], "mean", True, "weights: must be finite, .* at least 0"),
        ([1, np.nan], "mean", True, "weights: must be finite, .* at least 0"),
        ([1e308, 1e308], "mean", True, "weights: must be finite, their sum as well"),
    ):
        with pytest.raises(InvalidInput, match=rule):
            combine(said, np.array(weights), how, is_classification)
