"""Which class is named where rare classes count more than by their rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from hpsearch.ensembling.combining import combine
from hpsearch.ensembling.label_factors import fit_label_factors, named_classes


def drawn(seed, classes, rows=200):
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.full(classes, 0.6)) * 0.9 + 0.1 / classes
    targets = rng.choice(classes, rows, p=shares)
    logits = 1.5 * np.eye(classes)[targets] + np.log(shares) + rng.normal(size=(rows, classes))
    powers = np.exp(logits)
    return powers / powers.sum(1, keepdims=True), targets


@settings(max_examples=60)
@given(st.integers(0, 100_000))
def test_of_two_classes_each_is_named_as_often_as_there_are_rows(seed):
    chances, targets = drawn(seed, 2)
    factors = fit_label_factors(chances, targets)
    labels = named_classes(chances, factors)
    assert labels.sum() == targets.sum()
    if factors is None:
        assert (labels == chances.argmax(1)).all()
    else:
        assert factors.sum() == pytest.approx(1)
        assert (labels == (chances[:, 1] > factors[0])).all()


@settings(max_examples=40)
@given(st.integers(0, 100_000), st.integers(3, 6))
def test_of_more_classes_fewer_rows_are_named_one_too_many(seed, classes):
    chances, targets = drawn(seed, classes)

    def surplus(factors):
        wanted, named = (
            np.bincount(labels, minlength=classes)
            for labels in (targets, named_classes(chances, factors))
        )
        return np.maximum(named - wanted, 0).sum()

    factors = fit_label_factors(chances, targets)
    if factors is None:
        assert surplus(None) == 0
    else:
        assert factors.shape == (classes,)
        assert (factors > 0).all()
        assert factors.sum() == pytest.approx(1)
        assert surplus(factors) <= surplus(None)
        assert surplus(factors) <= 0.05 * len(targets)


def test_a_class_without_rows_is_no_trouble():
    chances, targets = drawn(1, 2)
    for only in (0, 1):
        labels = named_classes(chances, fit_label_factors(chances, np.full_like(targets, only)))
        assert (labels == only).all()


def test_a_mean_of_unsure_members_finds_the_rare_class_again():
    """Members that each find other rare rows, by chance: their mean is below one half on most."""
    rng = np.random.default_rng(0)
    targets = (rng.random(4000) < 0.08).astype(np.int64)
    logit = 2.5 * targets - 4.0 + 3.0 * rng.normal(size=(8, 4000))
    rare = 1 / (1 + np.exp(-logit))
    members = np.stack([1 - rare, rare], axis=-1)
    fitted, unseen = slice(0, 2000), slice(2000, None)
    likeliest = combine(members[:, unseen], np.ones(8), "mean")
    mean = combine(members[:, fitted], np.ones(8), "mean").values
    factors = fit_label_factors(mean, targets[fitted])
    named = combine(members[:, unseen], np.ones(8), "mean", label_factors=factors)
    assert (named.values == likeliest.values).all()
    before, after = (f1_score(targets[unseen], one.labels) for one in (likeliest, named))
    assert after > before + 0.05


def test_a_vote_takes_no_factors():
    members = np.array([[[0.6, 0.4], [0.2, 0.8]]])
    said = combine(members, np.ones(1), "vote", label_factors=np.array([0.01, 0.99]))
    assert said.labels is not None
    assert said.labels.tolist() == [0, 1]
